"""Which items are kept, which are replaced, and whose place is taken."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from magnetite.dht import item_store
from magnetite.dht.item_store import EXPIRY, MAX_OF_SOURCE, ItemStore
from magnetite.dht.items import ImmutableItem, Item, MutableItem, sign
from magnetite.dht.messages import ErrorCode
from magnetite.ids import NodeId

SEED = bytes(32)
NEAR = NodeId(0)


def put(store: ItemStore, item: Item, cas: int | None = None, source: str = "a", now: float = 0) -> ErrorCode | None:
    return store.put(item, cas, source, NEAR, now)


def immutable(number: int) -> ImmutableItem:
    return ImmutableItem(b"i%de" % number)


def mutable(seq: int, value: bytes = b"1:a") -> MutableItem:
    return sign(SEED, value, seq)


def test_an_item_is_kept_for_two_hours_after_its_last_put() -> None:
    store = ItemStore()
    item = immutable(1)
    assert put(store, item) is None
    assert put(store, item, now=EXPIRY) is None
    assert len(store) == 1
    assert store.get(item.target, now=2 * EXPIRY) == item
    assert store.get(item.target, now=2 * EXPIRY + 1) is None
    assert put(store, immutable(2), now=2 * EXPIRY + 1) is None
    assert len(store) == 1


def test_a_higher_seq_replaces_and_a_lower_one_is_refused() -> None:
    store = ItemStore()
    assert put(store, mutable(5)) is None
    assert put(store, mutable(7, b"1:b")) is None
    assert put(store, mutable(6, b"1:c")) is ErrorCode.SEQ_TOO_LOW
    assert store.get(mutable(1).target, 0) == mutable(7, b"1:b")


def test_the_same_seq_renews_the_same_value_and_refuses_another() -> None:
    store = ItemStore()
    assert put(store, mutable(5)) is None
    assert put(store, mutable(5), now=EXPIRY) is None
    assert put(store, mutable(5, b"1:b"), now=EXPIRY) is ErrorCode.SEQ_TOO_LOW
    assert store.get(mutable(5).target, now=2 * EXPIRY) == mutable(5)


def test_cas_must_be_the_stored_seq_where_there_is_one() -> None:
    store = ItemStore()
    assert put(store, mutable(5), cas=3) is None  # "If there is no current value, the cas field SHOULD be ignored"
    assert put(store, mutable(6), cas=4) is ErrorCode.CAS_MISMATCH
    assert put(store, mutable(6), cas=5) is None


def test_a_wrong_signature_is_looked_at_last_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ItemStore()
    forged = MutableItem(b"1:z", mutable(1).key, 6, bytes(64))
    assert put(store, forged) is ErrorCode.INVALID_SIGNATURE
    assert len(store) == 0
    assert put(store, mutable(5)) is None
    assert put(store, forged) is ErrorCode.INVALID_SIGNATURE
    assert store.get(forged.target, 0) == mutable(5)
    monkeypatch.setattr(item_store, "is_signed", None)
    assert put(store, forged, cas=1) is ErrorCode.CAS_MISMATCH
    assert put(store, MutableItem(b"1:z", forged.key, 4, bytes(64))) is ErrorCode.SEQ_TOO_LOW
    assert put(store, mutable(5), now=1) is None  # known to be right


def test_one_source_loses_its_own_oldest_item_for_its_newest() -> None:
    store = ItemStore()
    others = immutable(-1)
    put(store, others, source="b")
    for number in range(MAX_OF_SOURCE + 1):
        assert put(store, immutable(number)) is None
    assert len(store) == MAX_OF_SOURCE + 1
    assert store.get(immutable(0).target, 0) is None
    assert store.get(immutable(1).target, 0) is not None
    assert store.get(others.target, 0) is not None


def test_in_a_full_store_the_farthest_gives_way_or_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_store, "MAX_ITEMS", 3)
    store = ItemStore()
    nearest_first = sorted(map(immutable, range(5)), key=lambda item: item.target ^ NEAR)
    for item in nearest_first[1:4]:
        assert put(store, item, source=str(item)) is None
    assert put(store, nearest_first[4], source="e") is ErrorCode.SERVER
    assert put(store, nearest_first[0], source="f") is None
    assert store.get(nearest_first[3].target, 0) is None
    assert len(store) == 3


def test_a_value_that_is_a_key_does_not_replace_the_item_of_the_key() -> None:
    key = b"29:" + bytes(29)  # made on purpose, a public key may be the bencoding of a string
    store = ItemStore()
    assert put(store, ImmutableItem(key)) is None
    assert put(store, MutableItem(b"1:a", key, 1, bytes(64))) is ErrorCode.SERVER
    assert store.get(ImmutableItem(key).target, 0) == ImmutableItem(key)


class Puts(RuleBasedStateMachine):
    """Any order of puts keeps the store's bounds and its newest items."""

    def __init__(self) -> None:
        super().__init__()
        self.store = ItemStore()
        self.newest: dict[NodeId, int] = {}
        self.now = 0.0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(item_store, "MAX_ITEMS", 8)
        self.patch.setattr(item_store, "MAX_OF_SOURCE", 3)
        self.patch.setattr(item_store, "is_signed", lambda item: item.signature == b"good")
        self.rng = Random(1)

    def teardown(self) -> None:
        self.patch.undo()

    @rule(number=st.integers(0, 30), source=st.sampled_from("abcde"))
    def put_immutable(self, number: int, source: str) -> None:
        error = put(self.store, immutable(number), source=source, now=self.now)
        assert (error is None) == (self.store.get(immutable(number).target, self.now) is not None)

    @rule(
        key=st.sampled_from([b"k" * 32, b"l" * 32]),
        seq=st.integers(0, 5),
        cas=st.none() | st.integers(0, 5),
        good=st.booleans(),
        source=st.sampled_from("abcde"),
    )
    def put_mutable(self, key: bytes, seq: int, cas: int | None, good: bool, source: str) -> None:
        item = MutableItem(b"i%de" % seq, key, seq, b"good" if good else b"bad")
        before = self.store.get(item.target, self.now)
        error = put(self.store, item, cas, source, self.now)
        after = self.store.get(item.target, self.now)
        if error is None:
            assert after == item
            assert good
        else:
            assert after == before
        if isinstance(before, MutableItem):
            assert isinstance(after, MutableItem)
            assert after.seq >= before.seq

    @rule(wait=st.floats(0, EXPIRY))
    def wait(self, wait: float) -> None:
        self.now += wait

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.store) <= 8
        held = self.store._held
        assert all(0 < count <= 3 for count in held.values())
        assert sum(held.values()) == len(self.store)


Puts.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestPuts = Puts.TestCase
