import json

import pytest

from magnetite import events
from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.events import PeerFailed, PieceFailed, as_record
from magnetite.ids import InfoHash, NodeId
from magnetite.ways import Carrier, Cipher

SAMPLES = {
    "float": 1.25,
    "int": 7,
    "bool": True,
    "str": "text",
    "Endpoint": Endpoint("1.2.3.4", 5),
    "NodeId": NodeId(1),
    "InfoHash": InfoHash(2),
    "InfoHash | NodeId": InfoHash(3),
    "Reason": Reason.IDLE,
    "Source": events.Source.DHT,
    "Carrier": Carrier.UTP,
    "Cipher": Cipher.RC4,
    "tuple[Endpoint, ...]": (Endpoint("1.2.3.4", 5), Endpoint("2001:db8::1", 6)),
}


def sample(kind):
    types = {}
    for base in reversed(kind.__mro__):
        types.update(vars(base).get("__annotations__", {}))
    return kind(**{name: SAMPLES[types[name]] for name in kind.__struct_fields__})


KINDS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_is_a_json_record_of_its_fields(kind):
    event = sample(kind)
    record = json.loads(json.dumps(as_record(event)))
    assert record["v"] == events.SCHEMA_VERSION
    assert list(record) == ["v", "event", *kind.__struct_fields__]


def test_kinds_are_distinct_words():
    kinds = [sample(kind).kind for kind in KINDS]
    assert len(set(kinds)) == len(kinds)
    assert all(word.islower() and word.isalpha() for kind in kinds for word in kind.split("_"))


def test_values_are_written_as_people_write_them():
    failed = PeerFailed(1.23456789, InfoHash(1), Endpoint("1.2.3.4", 5), Reason.CONNECT_TIMEOUT, "late")
    assert as_record(failed) == {
        "v": 1,
        "event": "peer_failed",
        "time": 1.2346,
        "info_hash": "0" * 39 + "1",
        "endpoint": "1.2.3.4:5",
        "reason": "connect_timeout",
        "detail": "late",
    }
    assert as_record(PieceFailed(0.0, InfoHash(1), 3, (Endpoint("2001:db8::1", 6),)))["peers"] == ["[2001:db8::1]:6"]
