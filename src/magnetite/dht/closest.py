"""The contacts closest to any target, from a tree of id prefixes. Pure.

The K contacts closest to a target lie in the smallest subtree around it that holds at least K. A question walks down
to that, a bit at a time, and sorts some 8 to 16 contacts, where scanning a full table would cost twenty times as much.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from magnetite.dht.contact import Contact, K
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.ids import NodeId

_BITS: Final = 160
_DEEPEST: Final = 32  # bits; a DHT of 2^32 nodes has eight in such a subtree
_SHIFT: Final = _BITS - _DEEPEST

_Subtree: TypeAlias = tuple[list[NodeId], "_Subtree | None", "_Subtree | None"]  # ids, the halves that hold K or more


class ClosestIndex:
    """Some contacts of a table's, by their ids, that answer one question fast.

    `entries` is the table's own dictionary: whoever leaves that is to be discarded here before the next question.
    The tree is made when it is first needed after a change: a young table changes with every answer.
    """

    def __init__(self, entries: Mapping[NodeId, RoutingEntry], ids: Iterable[NodeId]) -> None:
        self._entries = entries
        self._ids = sorted(ids)
        self._root: _Subtree | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, node_id: NodeId) -> None:
        """Another contact, unless it is in."""
        at = bisect_left(self._ids, node_id)
        if self._ids[at : at + 1] != [node_id]:
            self._ids.insert(at, node_id)
            self._root = None

    def discard(self, node_id: NodeId) -> None:
        """Take a contact out, if it is in."""
        at = bisect_left(self._ids, node_id)
        if self._ids[at : at + 1] == [node_id]:
            del self._ids[at]
            self._root = None

    def closest(self, target: int) -> list[Contact]:
        """The K contacts closest to `target`, or all if there are fewer, the closest first."""
        return [self._entries[node_id].contact for node_id in self._closest(int(target))]

    def closest_compact(self, target: int) -> bytes:
        """The same as compact node info."""
        entries = self._entries
        return b"".join([entries[node_id].compact for node_id in self._closest(int(target))])

    def _closest(self, target: int) -> list[NodeId]:
        if self._root is None:
            self._root = _subtree(self._ids, 0, len(self._ids), _BITS - 1)
        ids, zero, one = self._root
        prefix = target >> _SHIFT
        bit = 1 << _DEEPEST - 1
        while (half := one if prefix & bit else zero) is not None:
            ids, zero, one = half
            bit >>= 1
        return sorted(ids, key=target.__xor__)[:K]


def _subtree(ids: list[NodeId], low: int, high: int, bit: int) -> _Subtree:
    """Of the sorted `ids` those from `low` to `high`, which differ from `bit` downwards."""
    zero = one = None
    if high - low >= K and bit >= _SHIFT:
        middle = bisect_left(ids, (ids[low] >> bit | 1) << bit, low, high)
        if middle - low >= K:
            zero = _subtree(ids, low, middle, bit - 1)
        if high - middle >= K:
            one = _subtree(ids, middle, high, bit - 1)
    return ids[low:high] if zero is None or one is None else [], zero, one
