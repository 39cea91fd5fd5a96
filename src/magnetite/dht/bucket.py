"""One bucket of the routing table: its entries, and who would take a free place. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from magnetite.dht.contact import K
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.dht.subnets import PER_SUBNET
from magnetite.ids import NodeId

MAX_REPLACEMENTS: Final = K
MAX_UNVERIFIED: Final = 2 * K  # waiting to be asked, or for their answer; more would be named again in time
FAILURES_ALONE: Final = 5  # in a row, before a contact goes whose place nobody wants
MUCH_FASTER: Final = 0.5  # of the slowest's round trip: less would only make contacts come and go

_BITS: Final = 160
_ROUND_TRIP = attrgetter("round_trip")
_FAILURES = attrgetter("failures")
_PREFERENCE = attrgetter("failures", "round_trip")  # sorts those whose answers are surest and fastest to the front


class Bucket:
    """Up to `capacity` entries that share `number` bits with our own id, and up to 8 verified replacements.

    Of unverified entries up to MAX_UNVERIFIED are kept while there is room: they give way to any verified one. A large
    bucket has K places for each part of its range, so that there is somebody near whatever is looked for (libtorrent
    does so, too). Of one subnet there are no more than PER_SUBNET, replacements counted.
    """

    def __init__(self, capacity: int, number: int) -> None:
        self.capacity = capacity
        self._part_bits = (capacity // K).bit_length() - 1
        self._part_shift = max(_BITS - 1 - number - self._part_bits, 0)
        self.entries: dict[NodeId, RoutingEntry] = {}
        self.replacements: dict[NodeId, RoutingEntry] = {}
        self.unverified = 0  # of the entries

    def __iter__(self) -> Iterator[RoutingEntry]:
        return iter(self.entries.values())

    @property
    def has_room(self) -> bool:
        return len(self.entries) < self.capacity

    @property
    def has_room_for_hearsay(self) -> bool:
        """Whether a contact that nobody has verified would be kept."""
        return self.unverified < MAX_UNVERIFIED and len(self.entries) < self.capacity

    def rival(self, newcomer: RoutingEntry) -> RoutingEntry | None:
        """Who would have to go for `newcomer`, because there are enough of its subnet; the newcomer itself, perhaps."""
        subnet = newcomer.subnet
        if subnet is None:
            return None
        rivals = [each for each in self.entries.values() if each.subnet == subnet]
        rivals += [each for each in self.replacements.values() if each.subnet == subnet]
        if len(rivals) < PER_SUBNET:
            return None
        if not newcomer.is_verified:
            return newcomer
        return next((each for each in rivals if not each.is_verified or each.is_bad), newcomer)

    def insert(self, entry: RoutingEntry) -> tuple[RoutingEntry | None, RoutingEntry | None]:
        """Take in a new entry. Returns which lost its place to it, and which is now kept no longer (perhaps itself)."""
        if self._part_bits:
            entry.part = entry.contact.node_id >> self._part_shift & (1 << self._part_bits) - 1
        if self.has_room:
            self.entries[entry.contact.node_id] = entry
            self.unverified += not entry.is_verified
            return None, None
        loser = self._weakest(entry)
        if loser is entry:
            return None, self._keep_as_replacement(entry)
        del self.entries[loser.contact.node_id]
        self.entries[entry.contact.node_id] = entry
        self.unverified -= not loser.is_verified  # the newcomer is
        return loser, self._keep_as_replacement(loser)

    def verify(self, entry: RoutingEntry, round_trip: float, now: float) -> None:
        """An unverified entry has answered."""
        entry.responded(now, round_trip)
        self.unverified -= 1

    def remove(self, entry: RoutingEntry) -> RoutingEntry | None:
        """Take an entry out; the replacement that moved up, if any."""
        node_id = entry.contact.node_id
        if self.replacements.pop(node_id, None) is not None:
            return None
        del self.entries[node_id]
        self.unverified -= not entry.is_verified
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
        entries = list(self)
        slowest = max(entries, key=_ROUND_TRIP)
        if not slowest.is_verified:
            return slowest  # its round trip is infinite
        failing = max(entries, key=_FAILURES)
        if failing.is_bad:
            return failing
        inferior = [each for each in entries if not each.has_valid_id]
        if newcomer.has_valid_id:
            if inferior:
                return max(inferior, key=_ROUND_TRIP)  # it may have chosen its place beside somebody (BEP 42)
            inferior = entries
        if not self._part_bits or not inferior:
            return newcomer  # near buckets keep their oldest contacts: they are the likeliest to stay
        return self._weakest_by_part(newcomer, inferior)

    def _weakest_by_part(self, newcomer: RoutingEntry, entries: list[RoutingEntry]) -> RoutingEntry:
        """Who of `entries` and `newcomer` matters least in a large bucket."""
        sizes = Counter([each.part for each in self])
        most = max([sizes[each.part] for each in entries])
        if most > sizes[newcomer.part] + 1:
            return max([each for each in entries if sizes[each.part] == most], key=_ROUND_TRIP)
        slowest = max([each for each in entries if each.part == newcomer.part], key=_ROUND_TRIP, default=newcomer)
        return slowest if newcomer.round_trip < MUCH_FASTER * slowest.round_trip else newcomer

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
