"""The small things a node keeps: pending queries, round trips, its saved state."""

from __future__ import annotations

from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht import round_trips, transactions
from magnetite.dht.contact import Contact, Family
from magnetite.dht.messages import Response
from magnetite.dht.round_trips import RoundTrips
from magnetite.dht.schedule import ANNOUNCE_INTERVAL, announce_delay, search_delays
from magnetite.dht.snapshot import Snapshot, decode_snapshot, encode_snapshot
from magnetite.dht.transactions import GIVE_UP, Outcome, Pending, Transactions
from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.errors import LocalProtocolError, StorageError
from magnetite.ids import NodeId

A, B = Endpoint("1.2.3.4", 5), Endpoint("1.2.3.5", 5)


def ignore(outcome: Outcome, now: float) -> None: ...


# -- pending queries ---------------------------------------------------------------------------------------------------


def test_an_answer_counts_only_from_where_we_asked_and_once(rng: Random) -> None:
    pending = Transactions(rng)
    query = Pending(A, 0, ignore, may_join=True)
    transaction = pending.open(query)
    assert pending.close(transaction, B) is None
    assert pending.close(b"none", A) is None
    assert pending.close(transaction, A) is query
    assert pending.close(transaction, A) is None


def test_queries_expire_in_turn(rng: Random) -> None:
    pending = Transactions(rng)
    queries = [Pending(A, sent, ignore, may_join=True) for sent in (0, 1, 2)]
    for query in queries:
        pending.open(query)
    assert list(pending.expire(now=GIVE_UP + 1)) == queries[:2]
    assert len(pending) == 1


def test_transaction_ids_cannot_be_told_from_one_another(rng: Random) -> None:
    pending = Transactions(rng)
    ids = [pending.open(Pending(A, 0, ignore, may_join=True)) for _ in range(100)]
    assert len(set(ids)) == 100
    assert {len(each) for each in ids} == {4}
    steps = {int.from_bytes(b, "big") - int.from_bytes(a, "big") for a, b in pairwise(ids)}
    assert len(steps) == 99


def test_pending_queries_are_bounded(rng: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_PENDING", 1)
    pending = Transactions(rng)
    pending.open(Pending(A, 0, ignore, may_join=True))
    with pytest.raises(LocalProtocolError):
        pending.open(Pending(A, 0, ignore, may_join=True))


# -- round trips -------------------------------------------------------------------------------------------------------


def test_the_stall_time_follows_the_slowest_tenth_of_the_round_trips() -> None:
    trips = RoundTrips()
    assert trips.stall == round_trips.FIRST_STALL
    for number in range(128):
        trips.add(0.1 + number % 10 / 10)
    assert trips.stall == pytest.approx(1.0)
    for _ in range(200):
        trips.add(0.001)
    assert trips.stall == round_trips.SHORTEST_STALL
    for _ in range(200):
        trips.add(9)
    assert trips.stall == round_trips.LONGEST_STALL


# -- saved state -------------------------------------------------------------------------------------------------------

contacts = st.lists(
    st.builds(
        Contact,
        st.integers(0, (1 << 160) - 1).map(NodeId),
        st.binary(min_size=6, max_size=6).map(decode_endpoint)
        | st.binary(min_size=18, max_size=18).map(decode_endpoint),
    ),
    max_size=20,
)


@given(st.dictionaries(st.ip_addresses().map(str), st.integers(0, (1 << 160) - 1).map(NodeId), max_size=16), contacts)
def test_a_snapshot_survives_encoding(node_ids: dict[str, NodeId], contacts: list[Contact]) -> None:
    by_family = tuple(sorted(contacts, key=lambda contact: contact.endpoint.is_ipv6))
    assert decode_snapshot(encode_snapshot(node_ids, contacts)) == Snapshot(node_ids, by_family)


@given(st.binary(max_size=100), st.integers(0, 100))
def test_a_damaged_snapshot_raises_storage_error(junk: bytes, at: int) -> None:
    whole = encode_snapshot({"1.2.3.4": NodeId(1)}, [Contact(NodeId(2), A)])
    for damaged in (junk, whole[: at % len(whole)], whole + junk + b"x"):
        with pytest.raises(StorageError):
            decode_snapshot(damaged)


def test_searches_come_quickly_at_first() -> None:
    assert list(islice(search_delays(), 6)) == [5, 15, 30, 60, 60, 60]


def test_a_response_gives_the_contacts_of_the_family_asked_for() -> None:
    four, six = Contact(NodeId(1), A), Contact(NodeId(2), Endpoint("2001:db8::1", 5))
    response = Response(b"aa", NodeId(3), (four,), (six,))
    assert response.contacts(Family.IPV4) == (four,)
    assert response.contacts(Family.IPV6) == (six,)


def test_announces_drift_apart_and_none_is_late() -> None:
    delays = [announce_delay(Random(seed)) for seed in range(1000)]
    assert max(delays) <= ANNOUNCE_INTERVAL
    assert max(delays) - min(delays) > 0.15 * ANNOUNCE_INTERVAL
