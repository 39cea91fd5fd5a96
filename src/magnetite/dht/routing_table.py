"""The contacts a node keeps, many far away and all that are near: Kademlia's routing table. Pure.

Every bucket holds the contacts that share a prefix of a given length with our own id. The first, which together cover
nearly the whole id space, are larger than K: a lookup then starts nearer to its target and has faster nodes to choose
from (libtorrent's "extended routing table").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from math import inf
from typing import Final, TypeAlias

from magnetite.dht.bucket import Bucket
from magnetite.dht.closest import ClosestIndex
from magnetite.dht.contact import Contact, K
from magnetite.dht.experience import Experience
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.endpoint import Endpoint, Scope, is_contactable
from magnetite.errors import Reason
from magnetite.events import ContactAdded, ContactEvicted, Emit
from magnetite.ids import NodeId

LARGE_BUCKETS: Final = (128, 64, 32, 16)  # capacities for 0, 1, 2, 3 common bits; K beyond
INDEX_LIFETIME: Final = 60.0  # seconds; contacts turn questionable without anything happening
_BITS: Final = 160

_Address: TypeAlias = str | Endpoint


def capacity_of(number: int) -> int:
    """How many entries bucket `number` holds."""
    return LARGE_BUCKETS[number] if number < len(LARGE_BUCKETS) else K


class RoutingTable:
    """Contacts of one family, by id and by address.

    Invariants: each entry is in the bucket its id belongs to, as an entry or a replacement; no bucket holds more than
    its capacity, nor more than two contacts of one subnet; one public IP address has one entry; our own id has none.
    Only good contacts are handed to others.
    """

    def __init__(self, own_id: NodeId, scope: Scope, emit: Emit) -> None:
        self.own_id = own_id
        self.scope = scope
        self.experience = Experience()
        self.filled_at = inf  # when the first contact came
        self.quiet_until = -inf  # no contact is due for a question before, unless one comes or fails: upkeep's note
        self._emit = emit
        self.buckets: dict[int, Bucket] = {}
        self._by_id: dict[NodeId, RoutingEntry] = {}
        self._by_address: dict[_Address, RoutingEntry] = {}
        self._index: ClosestIndex | None = None
        self._indexed_at = 0.0

    def __len__(self) -> int:
        """Contacts in the buckets, replacements not counted."""
        return sum(len(bucket.entries) for bucket in self.buckets.values())

    def __iter__(self) -> Iterator[RoutingEntry]:
        """The entries of all buckets, without the replacements."""
        return chain.from_iterable(self.buckets.values())

    @property
    def verified(self) -> int:
        """Contacts that have answered us."""
        return sum(entry.is_verified for entry in self)

    def bucket_number(self, node_id: int) -> int:
        """How many leading bits `node_id` shares with our own; 160 for our own."""
        return _BITS - (self.own_id ^ node_id).bit_length()

    @property
    def neighbourhood(self) -> int:
        """The number of the bucket from which on there are no more than some K contacts: those near our own id."""
        count = 0
        for number in sorted(self.buckets, reverse=True):
            count += len(self.buckets[number].entries)
            if count >= K:
                return number
        return 0

    def has_room_in(self, number: int) -> bool:
        """Whether bucket `number` is not full."""
        bucket = self.buckets.get(number)
        return bucket is None or bucket.has_room

    def fullness(self, number: int) -> float:
        """The share of the places in bucket `number` that are taken."""
        bucket = self.buckets.get(number)
        return 0.0 if bucket is None else len(bucket.entries) / bucket.capacity

    def good_in(self, number: int, now: float) -> int:
        """Good contacts in bucket `number`, K of them at most."""
        return min(K, sum(entry.is_good(now) for entry in self.buckets.get(number, ())))

    # -- what happened ------------------------------------------------------------------------------------------------

    def on_response(self, contact: Contact, round_trip: float, now: float) -> None:
        """`contact` answered a query of ours within `round_trip` seconds."""
        entry = self._at(contact.endpoint)
        is_known = entry is not None and entry.contact == contact
        if entry is not None and is_known:
            contact = entry.contact  # the same object for all that remember it
        if not self.experience.on_answer(contact, round_trip, now):
            if entry is not None and entry.contact.endpoint == contact.endpoint:
                self._remove(entry, Reason.PROTOCOL_ERROR, now)
            return
        if entry is not None and is_known:
            self._confirm(entry, round_trip, now)
            return
        if not self._is_welcome(contact) or not self._make_way(contact, now):
            return
        entry = RoutingEntry(contact)
        entry.responded(now, round_trip)
        entry.last_asked = now
        self._insert(entry, now)

    def on_query(self, contact: Contact, now: float) -> None:
        """`contact` asked us something, and is not read-only (BEP 43: those are never added)."""
        entry = self._by_id.get(contact.node_id)
        if entry is not None:
            if entry.contact.endpoint == contact.endpoint:
                was_good = entry.is_good(now)
                entry.last_query = now
                if not was_good:
                    self._reindex(entry, now)
        else:
            self.on_named(contact, now)

    def on_named(self, contact: Contact, now: float) -> None:
        """Somebody named `contact`, maybe itself: kept unverified if there is room, for upkeep to ask."""
        node_id, endpoint = contact
        if node_id in self._by_id:
            return
        bucket = self.buckets.get(self.bucket_number(node_id))
        if bucket is not None and not bucket.has_room_for_hearsay:
            return
        if self._at(endpoint) is not None or not self._is_welcome(contact):
            return
        if not self.experience.is_dubious(endpoint, now):
            self._insert(RoutingEntry(contact), now)

    def on_asked(self, endpoint: Endpoint, now: float) -> None:
        """We sent a query to `endpoint`."""
        entry = self._at(endpoint)
        if entry is not None and entry.contact.endpoint == endpoint:
            entry.last_asked = now

    def on_failure(self, endpoint: Endpoint, now: float) -> None:
        """Nobody answered us from `endpoint`. To be called only while the network itself is known to work."""
        self.experience.on_failure(endpoint, now)
        entry = self._at(endpoint)
        if entry is None or entry.contact.endpoint != endpoint:
            return
        entry.failures += 1
        self._reindex(entry, now)
        self.quiet_until = -inf
        if self.buckets[self.bucket_number(entry.contact.node_id)].gives_up_on(entry):
            self._remove(entry, Reason.TIMEOUT, now)

    def remove_where(self, is_unwanted: Callable[[Contact], bool], reason: Reason, now: float) -> None:
        """Let go of every contact that `is_unwanted`, replacements too."""
        for entry in list(self._by_id.values()):
            if is_unwanted(entry.contact):
                self._remove(entry, reason, now)

    def rehome(self, own_id: NodeId, now: float) -> None:
        """Take another id of our own (BEP 42: our address has changed). All is kept that finds a place around it."""
        before = {entry.contact.node_id: entry for entry in self if entry.is_verified}
        entries = [*self, *chain.from_iterable(bucket.replacements.values() for bucket in self.buckets.values())]
        self.own_id = own_id
        self.buckets, self._by_id, self._by_address, self._index = {}, {}, {}, None
        self.quiet_until = -inf
        # Those we have known longest first: what has no room any more is then what came last.
        for entry in sorted(entries, key=lambda entry: (not entry.is_verified, entry.first_response)):
            if entry.contact.node_id != own_id and (bucket := self._bucket_for(entry)).rival(entry) is None:
                self._place(entry, bucket)
        after = {entry.contact.node_id: entry for entry in self if entry.is_verified}
        for node_id in before.keys() - after.keys():
            self._emit(ContactEvicted(now, *before[node_id].contact, Reason.REPLACED))
        for node_id in after.keys() - before.keys():
            self._emit(ContactAdded(now, *after[node_id].contact))

    # -- what is asked ------------------------------------------------------------------------------------------------

    def closest(self, target: int, now: float) -> list[Contact]:
        """The K good contacts closest to `target`, the closest first: what others are told."""
        return self._current_index(now).closest(target)

    def closest_compact(self, target: int, now: float) -> bytes:
        """The same as compact node info."""
        return self._current_index(now).closest_compact(target)

    def nearest(self, target: int, count: int) -> list[RoutingEntry]:
        """The `count` entries closest to `target`, filled up with unverified ones only where there are not enough."""
        verified = [entry for entry in self if entry.is_verified and not entry.is_bad]
        chosen = sorted(verified, key=lambda entry: entry.contact.node_id ^ target)[:count]
        if len(chosen) < count:
            others = [entry for entry in self if not entry.is_verified and not entry.is_bad]
            chosen += sorted(others, key=lambda entry: entry.contact.node_id ^ target)[: count - len(chosen)]
        return chosen

    def best(self) -> list[Contact]:
        """All contacts, those heard of last first: what is worth remembering over a restart."""
        entries = sorted(self, key=lambda entry: (entry.is_verified, entry.last_response), reverse=True)
        return [entry.contact for entry in entries]

    # -- within -------------------------------------------------------------------------------------------------------

    def _is_welcome(self, contact: Contact) -> bool:
        return contact.node_id != self.own_id and is_contactable(contact.endpoint, self.scope)

    def _at(self, endpoint: Endpoint) -> RoutingEntry | None:
        """The entry of whoever owns that endpoint."""
        # The keys are what `Endpoint.owner` says; both are tried, which is faster than asking it.
        return self._by_address.get(endpoint[0]) or self._by_address.get(endpoint)

    def _confirm(self, entry: RoutingEntry, round_trip: float, now: float) -> None:
        was_good = entry.is_good(now)
        if entry.is_verified:
            entry.responded(now, round_trip)
        else:
            self._bucket_for(entry).verify(entry, round_trip, now)
            self._emit(ContactAdded(now, *entry.contact))
        if not was_good:
            self._reindex(entry, now)

    def _make_way(self, contact: Contact, now: float) -> bool:
        """Settle who owns the id and the address of a contact that just answered; False if somebody better does."""
        same_address = self._at(contact.endpoint)
        if same_address is not None:
            if same_address.contact.endpoint == contact.endpoint:
                self._remove(same_address, Reason.PROTOCOL_ERROR, now)  # it changed its id
            elif same_address.is_good(now):
                return False
            else:
                self._remove(same_address, Reason.DUPLICATE, now)
        same_id = self._by_id.get(contact.node_id)
        if same_id is not None:
            if same_id.is_good(now):
                return False
            self._remove(same_id, Reason.DUPLICATE, now)
        return True

    def _insert(self, entry: RoutingEntry, now: float) -> None:
        self.filled_at = min(self.filled_at, now)
        self.quiet_until = -inf
        bucket = self._bucket_for(entry)
        rival = bucket.rival(entry)
        if rival is entry:
            return
        if rival is not None:
            self._remove(rival, Reason.REPLACED, now)
        displaced = self._place(entry, bucket)
        if displaced is not None and displaced.is_verified:
            self._reindex(displaced, now)
            self._emit(ContactEvicted(now, *displaced.contact, Reason.REPLACED))
        if entry.is_verified and entry.contact.node_id in bucket.entries:
            self._reindex(entry, now)
            self._emit(ContactAdded(now, *entry.contact))

    def _place(self, entry: RoutingEntry, bucket: Bucket) -> RoutingEntry | None:
        """Put it into the bucket it belongs to, where it has no rival; who lost the place there to it."""
        self._by_id[entry.contact.node_id] = entry
        self._by_address[entry.contact.endpoint.owner] = entry
        displaced, dropped = bucket.insert(entry)
        if dropped is not None:
            self._forget(dropped)
        return displaced

    def _bucket_for(self, entry: RoutingEntry) -> Bucket:
        number = self.bucket_number(entry.contact.node_id)
        bucket = self.buckets.get(number)
        if bucket is None:
            bucket = self.buckets[number] = Bucket(capacity_of(number), number)
        return bucket

    def _remove(self, entry: RoutingEntry, reason: Reason, now: float) -> None:
        bucket = self.buckets[self.bucket_number(entry.contact.node_id)]
        was_entry = entry.contact.node_id in bucket.entries
        promoted = bucket.remove(entry)
        self._forget(entry)
        self._reindex(entry, now)
        self.quiet_until = -inf
        if was_entry and entry.is_verified:
            self._emit(ContactEvicted(now, *entry.contact, reason))
        if promoted is not None:
            self._reindex(promoted, now)
            self._emit(ContactAdded(now, *promoted.contact))

    def _forget(self, entry: RoutingEntry) -> None:
        del self._by_id[entry.contact.node_id]
        del self._by_address[entry.contact.endpoint.owner]

    def _reindex(self, entry: RoutingEntry, now: float) -> None:
        """Something has happened to it: whether others are told of it now."""
        if self._index is None:
            return
        if entry.is_good(now) and entry.contact.node_id in self._bucket_for(entry).entries:
            self._index.add(entry.contact.node_id)
        else:
            self._index.discard(entry.contact.node_id)

    def _current_index(self, now: float) -> ClosestIndex:
        if self._index is None or now >= self._indexed_at + INDEX_LIFETIME:
            self._index = ClosestIndex(self._by_id, self._good(now))
            self._indexed_at = now
        return self._index

    def _good(self, now: float) -> Iterable[NodeId]:
        return (entry.contact.node_id for entry in self if entry.is_good(now))
