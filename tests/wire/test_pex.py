from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite import bencoding
from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.errors import RemoteProtocolError
from magnetite.wire.pex import MOST_READ, PexFlag, PexMessage, decode_pex, encode_pex

ONE, TWO = Endpoint("93.184.216.1", 6881), Endpoint("2001:db8::1", 51413)
endpoints = st.one_of(st.binary(min_size=n, max_size=n) for n in (6, 18)).map(decode_endpoint)
flags = st.integers(0, 255).map(PexFlag)


@st.composite
def messages(draw) -> PexMessage:
    added = draw(st.dictionaries(endpoints, flags, max_size=20))
    dropped = draw(st.lists(endpoints.filter(lambda each: each not in added), max_size=20, unique=True))
    in_order = sorted(added, key=lambda each: each.is_ipv6)
    return PexMessage({each: added[each] for each in in_order}, tuple(sorted(dropped, key=lambda each: each.is_ipv6)))


@given(messages())
def test_decode_after_encode_is_the_identity(message: PexMessage) -> None:
    assert decode_pex(encode_pex(message)) == message


def test_a_message_looks_as_bep_11_says() -> None:
    message = PexMessage({ONE: PexFlag.SEED | PexFlag.REACHABLE, TWO: PexFlag.UTP}, (Endpoint("93.184.216.2", 1),))
    assert bencoding.decode(encode_pex(message)) == {
        b"added": ONE.compact(),
        b"added.f": b"\x12",
        b"added6": TWO.compact(),
        b"added6.f": b"\x04",
        b"dropped": bytes([93, 184, 216, 2, 0, 1]),
    }


def test_an_empty_message_has_one_of_the_lists_all_the_same() -> None:
    assert bencoding.decode(encode_pex(PexMessage())) == {b"added": b""}


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_raise_remote_protocol_error(payload: bytes) -> None:
    try:
        decode_pex(payload)
    except RemoteProtocolError:
        return


@pytest.mark.parametrize("senseless", [1, b"seven b", [], {b"a": 1}])
def test_a_list_that_is_none_counts_as_absent_and_the_others_are_read(senseless: bencoding.Encodable) -> None:
    said = {b"added": senseless, b"added6": TWO.compact(), b"dropped": ONE.compact(), b"dropped6": senseless}
    assert decode_pex(bencoding.encode(said)) == PexMessage({TWO: PexFlag(0)}, (ONE,))


@pytest.mark.parametrize("senseless", [1, b"", b"\x10", []])
def test_flags_that_are_not_as_many_as_the_contacts_say_nothing(senseless: bencoding.Encodable) -> None:
    two = ONE.compact() + Endpoint("93.184.216.2", 1).compact()
    message = decode_pex(bencoding.encode({b"added": two, b"added.f": senseless}))
    assert list(message.added.values()) == [PexFlag(0), PexFlag(0)]


def test_of_an_endless_list_only_the_beginning_is_read() -> None:
    many = b"".join(Endpoint(f"93.184.{n >> 8}.{n & 255}", 1).compact() for n in range(10_000))
    message = decode_pex(bencoding.encode({b"added": many, b"dropped": many[6 * MOST_READ :]}))
    assert len(message.added) == len(message.dropped) == MOST_READ


def test_what_is_added_is_not_dropped_and_nothing_is_named_twice() -> None:
    message = decode_pex(bencoding.encode({b"added": 2 * ONE.compact(), b"dropped": 2 * ONE.compact()}))
    assert message == PexMessage({ONE: PexFlag(0)})
