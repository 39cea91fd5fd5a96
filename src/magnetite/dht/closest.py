"""The contacts closest to any target, from a tree of id prefixes. Pure.

The K contacts closest to a target lie in the smallest subtree around it that holds at least K. A question walks down
to that, a bit at a time, and sorts some 8 to 16 contacts, where scanning a full table would cost twenty times as much.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final, TypeAlias

from magnetite.dht.contact import Contact, K
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.ids import NodeId

_BITS: Final = 160
_DEEPEST: Final = 32  # bits; a DHT of 2^32 nodes has eight in such a subtree
_SHIFT: Final = _BITS - _DEEPEST

_Subtree: TypeAlias = tuple[list[NodeId], "_Subtree | None", "_Subtree | None"]  # ids, the halves that hold K or more


class ClosestIndex:
    """A set of contacts that answers one question fast.

    The tree is made when it is first needed after a change: a young table changes with every answer.
    """

    def __init__(self, entries: Iterable[RoutingEntry]) -> None:
        self._entries = {entry.contact.node_id: entry for entry in entries}
        self._ids = sorted(self._entries)
        self._root: _Subtree | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: RoutingEntry) -> None:
        """Another contact, unless it is in."""
        node_id = entry.contact.node_id
        if node_id not in self._entries:
            insort(self._ids, node_id)
            self._root = None
        self._entries[node_id] = entry

    def discard(self, entry: RoutingEntry) -> None:
        """Take a contact out, if it is in."""
        node_id = entry.contact.node_id
        if self._entries.pop(node_id, None) is not None:
            del self._ids[bisect_left(self._ids, node_id)]
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
