"""One bucket of the routing table: its entries, and who would take a free place. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from magnetite.dht.contact import K
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.ids import NodeId

MAX_REPLACEMENTS: Final = K
FAILURES_ALONE: Final = 5  # in a row, before a contact goes whose place nobody wants
MUCH_FASTER: Final = 0.5  # of the slowest's round trip: less would only make contacts come and go

_ROUND_TRIP = attrgetter("round_trip")
_FAILURES = attrgetter("failures")
_PREFERENCE = attrgetter("failures", "round_trip")  # sorts those whose answers are surest and fastest to the front


class Bucket:
    """Up to `capacity` entries that answer for their part of the id space, and up to 8 verified replacements.

    Unverified entries are kept while there is room: they give way to any verified one.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.entries: dict[NodeId, RoutingEntry] = {}
        self.replacements: dict[NodeId, RoutingEntry] = {}

    def __iter__(self) -> Iterator[RoutingEntry]:
        return iter(self.entries.values())

    @property
    def has_room(self) -> bool:
        return len(self.entries) < self.capacity

    def insert(self, entry: RoutingEntry) -> tuple[RoutingEntry | None, RoutingEntry | None]:
        """Take in a new entry. Returns which lost its place to it, and which is now kept no longer (perhaps itself)."""
        if self.has_room:
            self.entries[entry.contact.node_id] = entry
            return None, None
        loser = self._weakest(entry)
        if loser is entry:
            return None, self._keep_as_replacement(entry)
        del self.entries[loser.contact.node_id]
        self.entries[entry.contact.node_id] = entry
        return loser, self._keep_as_replacement(loser)

    def remove(self, entry: RoutingEntry) -> RoutingEntry | None:
        """Take an entry out; the replacement that moved up, if any."""
        node_id = entry.contact.node_id
        if self.replacements.pop(node_id, None) is not None:
            return None
        del self.entries[node_id]
        if not self.replacements:
            return None
        best = min(self.replacements.values(), key=_PREFERENCE)
        del self.replacements[best.contact.node_id]
        self.entries[best.contact.node_id] = best
        return best

    def gives_up_on(self, entry: RoutingEntry) -> bool:
        """Whether its failures are enough to let it go."""
        if not entry.is_verified or self.replacements:
            return entry.is_bad
        return entry.failures >= FAILURES_ALONE

    def _weakest(self, newcomer: RoutingEntry) -> RoutingEntry:
        """Who is left out when `newcomer` wants into the full bucket."""
        if not newcomer.is_verified:
            return newcomer
        slowest = max(self.entries.values(), key=_ROUND_TRIP)
        if not slowest.is_verified:
            return slowest  # its round trip is infinite
        failing = max(self.entries.values(), key=_FAILURES)
        if failing.is_bad:
            return failing
        is_large = self.capacity > K  # near buckets keep their oldest contacts: they are the likeliest to stay
        return slowest if is_large and newcomer.round_trip < MUCH_FASTER * slowest.round_trip else newcomer

    def _keep_as_replacement(self, loser: RoutingEntry) -> RoutingEntry | None:
        """Returns the entry for which there is no place here either."""
        if not loser.is_verified or loser.is_bad:
            return loser
        self.replacements[loser.contact.node_id] = loser
        if len(self.replacements) <= MAX_REPLACEMENTS:
            return None
        worst = max(self.replacements.values(), key=_PREFERENCE)
        del self.replacements[worst.contact.node_id]
        return worst
