"""The small things a node keeps: tokens, peers, pending queries, budgets, round trips, its saved state."""

from __future__ import annotations

from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht import limiter, peer_store, round_trips, transactions
from magnetite.dht.contact import Contact, Family
from magnetite.dht.limiter import AnswerLimiter
from magnetite.dht.messages import Response
from magnetite.dht.peer_store import EXPIRY, MAX_ANSWER, MAX_PEERS, PeerStore
from magnetite.dht.round_trips import RoundTrips
from magnetite.dht.schedule import search_delays
from magnetite.dht.snapshot import Snapshot, decode_snapshot, encode_snapshot
from magnetite.dht.tokens import ROTATION, Tokens
from magnetite.dht.transactions import GIVE_UP, Outcome, Pending, Transactions
from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.errors import LocalProtocolError, StorageError
from magnetite.ids import InfoHash, NodeId

HASH = InfoHash(7)
A, B = Endpoint("1.2.3.4", 5), Endpoint("1.2.3.5", 5)


def ignore(outcome: Outcome, now: float) -> None: ...


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_a_token_is_good_for_its_address_and_info_hash_for_five_to_ten_minutes(rng: Random) -> None:
    tokens = Tokens(rng, now=0)
    token = tokens.issue(A.ip, HASH, now=1)
    assert tokens.is_valid(token, A.ip, HASH, now=1)
    assert not tokens.is_valid(token, B.ip, HASH, now=1)
    assert not tokens.is_valid(token, A.ip, InfoHash(8), now=1)
    assert not tokens.is_valid(b"", A.ip, HASH, now=1)
    assert tokens.is_valid(token, A.ip, HASH, now=ROTATION + 1)
    assert not tokens.is_valid(token, A.ip, HASH, now=2 * ROTATION + 2)


def test_a_token_is_not_good_after_a_long_silence(rng: Random) -> None:
    tokens = Tokens(rng, now=0)
    token = tokens.issue(A.ip, HASH, now=0)
    assert not tokens.is_valid(token, A.ip, HASH, now=10 * ROTATION)


# -- peers -------------------------------------------------------------------------------------------------------------


def test_a_peer_is_stored_once_and_forgotten_when_it_announces_no_more(rng: Random) -> None:
    store = PeerStore(rng, now=0)
    assert store.add(HASH, A, now=0)
    assert store.add(HASH, A, now=1000)
    assert store.peers == 1
    assert store.sample(HASH, Family.IPV4, 10, now=1000 + EXPIRY - 1) == [A.compact()]
    assert store.sample(HASH, Family.IPV4, 10, now=1000 + EXPIRY + 1) == []


def test_families_are_kept_apart(rng: Random) -> None:
    store = PeerStore(rng, now=0)
    six = Endpoint("2001:db8::1", 5)
    store.add(HASH, A, now=0)
    store.add(HASH, six, now=0)
    assert store.sample(HASH, Family.IPV4, 10, now=0) == [A.compact()]
    assert store.sample(HASH, Family.IPV6, 10, now=0) == [six.compact()]


def test_a_list_and_an_answer_are_bounded_and_the_latest_do_not_push_out_all_others(rng: Random) -> None:
    store = PeerStore(rng, now=0)
    for number in range(2 * MAX_PEERS):
        store.add(HASH, Endpoint(f"1.2.{number >> 8}.{number & 255}", 1), now=0)
    assert store.peers == MAX_PEERS
    assert len(store.sample(HASH, Family.IPV4, 1000, now=0)) == MAX_ANSWER
    seen = {decode_endpoint(peer).ip for _ in range(100) for peer in store.sample(HASH, Family.IPV4, 100, now=0)}
    assert any(ip.startswith("1.2.0.") for ip in seen)


def test_a_full_store_refuses_new_info_hashes_until_old_ones_expire(
    rng: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_store, "MAX_INFO_HASHES", 3)
    store = PeerStore(rng, now=0)
    for number in range(3):
        assert store.add(InfoHash(number), A, now=0)
    assert not store.has_room_for(HASH, Family.IPV4, now=100)
    assert not store.add(HASH, A, now=100)
    assert store.add(InfoHash(0), B, now=100)
    assert store.add(HASH, A, now=EXPIRY + 50)
    assert store.info_hashes == 2


@given(st.lists(st.tuples(st.binary(min_size=6, max_size=6), st.integers(0, 5000)), max_size=60), st.integers(0, 3))
def test_the_packed_list_equals_a_dictionary(announces: list[tuple[bytes, int]], low_entropy: int) -> None:
    store, model, now = PeerStore(Random(1), now=0), dict[bytes, int](), 0
    for compact, wait in announces:
        compact = bytes(byte & low_entropy for byte in compact)  # matches across two records must not confuse it
        now += wait
        store.add(HASH, decode_endpoint(compact), now)
        model[compact] = now
    living = {compact for compact, heard in model.items() if now - heard <= EXPIRY}
    assert set(store.sample(HASH, Family.IPV4, 100, now)) == living


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


# -- budgets -----------------------------------------------------------------------------------------------------------


def test_one_source_cannot_use_up_the_answers_of_others() -> None:
    limiter = AnswerLimiter(source_rate=1, source_burst=3, rate=100, burst=100)
    assert [limiter.allows("a", 0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert limiter.allows("b", 0)
    assert limiter.allows("a", 1)


def test_all_sources_together_are_limited() -> None:
    limiter = AnswerLimiter(rate=1, burst=3)
    assert sum(limiter.allows(str(source), 0) for source in range(10)) == 3


def test_the_memory_of_sources_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "MAX_SOURCES", 2)
    one_each = AnswerLimiter(source_burst=1, source_rate=0)
    assert [one_each.allows(source, 0) for source in "abca"] == [True] * 4  # a was forgotten for c
    assert not one_each.allows("c", 0)


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


@given(st.integers(0, (1 << 160) - 1).map(NodeId), contacts)
def test_a_snapshot_survives_encoding(node_id: NodeId, contacts: list[Contact]) -> None:
    by_family = tuple(sorted(contacts, key=lambda contact: contact.endpoint.is_ipv6))
    assert decode_snapshot(encode_snapshot(node_id, contacts)) == Snapshot(node_id, by_family)


@given(st.binary(max_size=100), st.integers(0, 100))
def test_a_damaged_snapshot_raises_storage_error(junk: bytes, at: int) -> None:
    whole = encode_snapshot(NodeId(1), [Contact(NodeId(2), A)])
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
