"""The contacts closest to any target, from a table with one slot for each 12-bit prefix. Pure.

The K contacts closest to a target lie in the smallest subtree around it that holds at least K. For every prefix that
subtree is looked up once, when the index is built; a question then sorts some 8 to 16 contacts, where scanning a full
table would cost twenty times as much.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, TypeAlias

from magnetite.dht.contact import Contact, K
from magnetite.dht.routing_entry import RoutingEntry

_BITS: Final = 160
_PREFIX: Final = 12
_SHIFT: Final = _BITS - _PREFIX

_Row: TypeAlias = tuple[int, Contact, bytes]  # id, contact, compact node info


class ClosestIndex:
    """An immutable set of contacts that answers one question fast."""

    def __init__(self, entries: Iterable[RoutingEntry]) -> None:
        self._rows: list[_Row] = sorted((int(entry.contact.node_id), entry.contact, entry.compact) for entry in entries)
        self._ids = [row[0] for row in self._rows]
        self._subtrees: list[list[_Row]] = [self._rows] * (1 << _PREFIX)
        self._compact = {row[0]: row[2] for row in self._rows}
        self._subtree_ids = [self._ids] * (1 << _PREFIX)
        self._fill(0, 0, 0, len(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def closest(self, target: int) -> list[Contact]:
        """The K contacts closest to `target`, or all if there are fewer, the closest first."""
        return [row[1] for row in self._closest(target)]

    def closest_compact(self, target: int) -> bytes:
        """The same as compact node info."""
        target = int(target)
        compact = self._compact
        ids = sorted(self._subtree_ids[target >> _SHIFT], key=target.__xor__)[:K]
        return b"".join([compact[node_id] for node_id in ids])

    def _closest(self, target: int) -> list[_Row]:
        target = int(target)  # an int proper: a subclass's ^ is slower
        return sorted(self._subtrees[target >> _SHIFT], key=lambda row: row[0] ^ target)[:K]

    def _fill(self, prefix: int, length: int, low: int, high: int) -> None:
        """Give every slot below `prefix` its subtree; `low` to `high` are the contacts that have this prefix."""
        if high - low < K:
            return  # the slots keep the parent's
        slots = 1 << (_PREFIX - length)
        self._subtrees[prefix * slots : (prefix + 1) * slots] = [self._rows[low:high]] * slots
        self._subtree_ids[prefix * slots : (prefix + 1) * slots] = [self._ids[low:high]] * slots
        if length < _PREFIX:
            middle = bisect_left(self._ids, (2 * prefix + 1) << (_BITS - length - 1), low, high)
            self._fill(2 * prefix, length + 1, low, middle)
            self._fill(2 * prefix + 1, length + 1, middle, high)
