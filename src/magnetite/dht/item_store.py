"""Items that others put here for everybody to get (BEP 44). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final

from magnetite.dht.items import Item, MutableItem, is_signed
from magnetite.dht.messages import ErrorCode
from magnetite.ids import NodeId

MAX_ITEMS: Final = 1_000  # some 1.5 MB, should all of them be as large as they may
MAX_OF_SOURCE: Final = 50  # items, so that no party alone can fill the store
EXPIRY: Final = 2 * 60 * 60.0  # seconds since the last put: "these items MAY expire in 2 hours" (BEP 44, Expiration)


@dataclass(frozen=True, slots=True)
class _Stored:
    item: Item
    source: Hashable  # who put it first
    put_at: float


class ItemStore:
    """target -> item.

    Bounded: who has MAX_OF_SOURCE items here loses the one put longest ago for each new one. In a full store the item
    farthest from the node that was asked gives way, or is not taken: the nearest are those it answers for, and to make
    items that are nearer costs work, where "the latest" could be had for nothing.

    Invariants: the items stand in the order of their last put; `_held` counts them for each source.
    """

    def __init__(self) -> None:
        self._items: dict[NodeId, _Stored] = {}
        self._held: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, target: NodeId, now: float) -> Item | None:
        """What is stored under `target`, as it was put."""
        stored = self._items.get(target)
        return stored.item if stored is not None and now - stored.put_at <= EXPIRY else None

    def put(self, item: Item, cas: int | None, source: Hashable, near: NodeId, now: float) -> ErrorCode | None:
        """Store `item`, or note that it is still wanted; the error to answer with if that may not be.

        `source` stands for the party that asks (see `Endpoint.owner`), `near` is the id of the node it asked. Sizes
        and token are to be checked before; the signature, which costs most, is checked here and last.
        """
        self._drop_expired(now)
        target = item.target
        stored = self._items.get(target)
        if stored is not None:
            return self._update(target, stored, item, cas, now)
        loser = self._who_gives_way(target, source, near)
        if loser == target:
            return ErrorCode.SERVER
        if isinstance(item, MutableItem) and not is_signed(item):
            return ErrorCode.INVALID_SIGNATURE
        if loser is not None:
            self._remove(loser)
        self._items[target] = _Stored(item, source, now)
        self._held[source] += 1
        return None

    def _update(self, target: NodeId, stored: _Stored, item: Item, cas: int | None, now: float) -> ErrorCode | None:
        if isinstance(item, MutableItem):
            if not isinstance(stored.item, MutableItem):
                return ErrorCode.SERVER  # a key may be chosen to be a value: who came first stays
            if (error := _conflict(stored.item, item, cas)) is not None:
                return error
            if item != stored.item and not is_signed(item):
                return ErrorCode.INVALID_SIGNATURE
        elif item != stored.item:
            return ErrorCode.SERVER
        del self._items[target]  # to the end
        self._items[target] = replace(stored, item=item, put_at=now)
        return None

    def _who_gives_way(self, target: NodeId, source: Hashable, near: NodeId) -> NodeId | None:
        """Whose place a new item takes; None if there is room, `target` itself if it is not taken."""
        if self._held[source] >= MAX_OF_SOURCE:
            return next(each for each, stored in self._items.items() if stored.source == source)
        if len(self._items) >= MAX_ITEMS:
            return max((*self._items, target), key=lambda each: each ^ near)
        return None

    def _drop_expired(self, now: float) -> None:
        while self._items:
            target, stored = next(iter(self._items.items()))
            if now - stored.put_at <= EXPIRY:
                return
            self._remove(target)

    def _remove(self, target: NodeId) -> None:
        source = self._items.pop(target).source
        self._held[source] -= 1
        if not self._held[source]:
            del self._held[source]


def _conflict(stored: MutableItem, item: MutableItem, cas: int | None) -> ErrorCode | None:
    """Why `item` may not replace `stored` (BEP 44, CAS and put message)."""
    if cas is not None and cas != stored.seq:
        return ErrorCode.CAS_MISMATCH
    if item.seq < stored.seq or (item.seq == stored.seq and item.value != stored.value):
        return ErrorCode.SEQ_TOO_LOW
    return None
