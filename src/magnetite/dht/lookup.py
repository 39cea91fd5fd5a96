"""Iterative lookup: whom to ask next, and when to stop. Pure: no I/O, clock or randomness."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, log2
from operator import attrgetter
from typing import Final, NamedTuple

from magnetite.dht.candidates import ANSWERED, ASKED, FAILED, NEW, STALLED, Candidate, Candidates
from magnetite.dht.contact import Contact, Family, K
from magnetite.dht.experience import Experience
from magnetite.dht.messages import Response
from magnetite.dht.round_trips import RoundTrips
from magnetite.dht.routing_table import RoutingTable
from magnetite.endpoint import Endpoint, Scope, is_contactable
from magnetite.ids import NodeId

HURRY: Final = 6  # queries under way at once that have not stalled, until peers or K nodes have been found
ALPHA: Final = 3  # the same after that: what is left is to make sure, and costs others' time
SLOWNESS: Final = 4.0  # bits of distance that make up for a second of stall time
START: Final = 32  # contacts a lookup begins with; eight would all have to be alive
PATIENCE: Final = 4  # stall times until a lookup no longer waits for a silent node in order to end
TRIES: Final = 2  # queries of a thorough lookup to a silent node; with 2 % of datagrams lost, one in 25 would be missed
PROBES: Final = K  # nodes that a thorough lookup asks for their neighbours
MAX_QUERIES: Final = 256  # a real lookup takes 20 to 60; liars could name ever closer nodes without end
MAX_NAMED: Final = 16  # contacts believed of one answer: K of each family, or what generous nodes send
MAX_PEERS: Final = 2_000
LOSSY: Final = 5 / 6  # of the queries silent: the network is at fault, and more queries would not help
_ENOUGH_TO_JUDGE: Final = 24  # queries; half of a lookup's contacts may be dead, and five in six of the first by chance


class Known(NamedTuple):
    """A contact to begin with, and the seconds it took to answer; inf if it never did."""

    contact: Contact
    round_trip: float


def begin_lookup(target: int, table: RoutingTable, round_trips: RoundTrips, family: Family, now: float) -> Lookup:
    """A lookup from the contacts of the table, and of the lookups before.

    Both take part: the cache alone might be full of one party's nodes, the table alone is thin far from our own id.
    """
    experience = table.experience
    start = [Known(entry.contact, entry.round_trip) for entry in table.nearest(target, START)]
    start += [Known(each.contact, each.round_trip) for each in experience.cache.closest(target, START, now)]
    return Lookup(
        target,
        table.own_id,
        start,
        family=family,
        scope=table.scope,
        round_trips=round_trips,
        experience=experience,
        now=now,
    )


class Lookup:
    """Asks ever closer nodes about `target` until the K closest that are alive have answered.

    The owner asks whom `next_contact` names, reports with `on_asked`, `on_reply` and `on_failure`, and looks again
    after each report and at `next_wake`. A few queries are under way at a time; one that is silent for a stall time no
    longer counts, but its answer is used whenever it comes.

    `is_thorough` is for those who need all of the K closest, to announce to them; it may be set while the lookup goes
    on. Silent nodes are then asked again, and the K closest are asked for their own neighbours: in a neighbourhood of
    which half is dead, answers about the target name the same dead nodes over and over, and hide living ones.
    """

    def __init__(
        self,
        target: int,
        own_id: NodeId,
        start: Iterable[Known],
        *,
        family: Family,
        scope: Scope,
        round_trips: RoundTrips,
        experience: Experience,
        now: float,
    ) -> None:
        self.target = target
        self.is_thorough = False
        self.is_patient = False  # nobody waits for it: never more than ALPHA queries at once
        self._own_id = own_id
        self._family = family
        self._scope = scope
        self._round_trips = round_trips
        self._experience = experience
        self._candidates = Candidates(experience.network_size.widening)
        self._addresses: set[str] = set()  # public ones: a lookup listens to one node of each
        self._silent: dict[NodeId, Candidate] = {}  # asked or stalled
        self._peers: dict[Endpoint, None] = {}
        self.asked = 0
        self.answered = 0
        for contact, round_trip in start:
            self._hear_of(contact, None, round_trip, now)

    # -- whom to ask --------------------------------------------------------------------------------------------------

    def next_contact(self, now: float) -> Contact | None:
        """Whom to ask at once, if anybody; the owner then asks, and says so with `on_asked`."""
        is_in_hurry = not self.is_patient and not self._peers and self.answered < K
        if self.asked >= MAX_QUERIES or self._slots_taken(now) >= (HURRY if is_in_hurry else ALPHA):
            return None
        relevant = self._candidates.relevant()
        new = [candidate for candidate in relevant if candidate.state is NEW]
        if new:
            first = min(new, key=_RANK)
            return (min(new, key=_order) if first.is_doubtful else first).contact
        again = next((each for each in relevant if self._may_retry(each)), None) or self._next_probe()
        return None if again is None else again.contact

    def next_wake(self, now: float) -> float:
        """When a look at the lookup is worthwhile even if nothing has happened; `inf` if only answers can help."""
        wake = inf
        for candidate in self._silent.values():
            at = candidate.asked_at + candidate.stall
            if at <= now:
                at = candidate.asked_at + PATIENCE * candidate.stall
            if now < at < wake:
                wake = at
        return wake

    def is_finished(self, now: float) -> bool:
        """Whether the K closest living nodes have answered, or nobody is left to ask."""
        if self.answered < K and self._slots_taken(now):
            return False
        may_ask = self.asked < MAX_QUERIES
        for candidate in self._candidates.relevant():
            if may_ask and (candidate.state is NEW or self._may_retry(candidate)):
                return False
            if candidate.contact.node_id in self._silent and candidate.asked_at + PATIENCE * candidate.stall > now:
                return False
        return not (may_ask and self._next_probe())

    # -- what happened ------------------------------------------------------------------------------------------------

    def on_asked(self, contact: Contact, now: float) -> NodeId | None:
        """`contact` is asked now; for what, where that is not the target (see `is_thorough`)."""
        candidate = self._candidates[contact.node_id]
        candidate.attempts += 1
        candidate.asked_at = now
        self._silent[contact.node_id] = candidate
        self.asked += 1
        if candidate.state is ANSWERED:
            candidate.is_probed = True
            return contact.node_id
        candidate.state = ASKED
        return None

    def on_reply(self, contact: Contact, reply: Response, now: float) -> list[Endpoint]:
        """Take in an answer, late ones too; returns the peers that are new.

        A node that answers under another id than it was named with is not believed.
        """
        candidate = self._candidates[contact.node_id]
        self._silent.pop(contact.node_id, None)
        if reply.sender != contact.node_id:
            self._fail(candidate)
            return []
        if candidate.state is not ANSWERED:
            self._confirm(candidate, reply.token)
        for named in reply.contacts(self._family)[:MAX_NAMED]:
            self._hear_of(named, candidate, inf, now)
        for dropped in self._candidates.drop_farthest():
            self._addresses.discard(dropped.endpoint.ip)
        return self.add_peers(reply.values)

    def on_failure(self, contact: Contact) -> None:
        """`contact` gave no answer in time, or an error."""
        candidate = self._candidates[contact.node_id]
        self._silent.pop(contact.node_id, None)
        if candidate.state is not ANSWERED:
            self._fail(candidate)

    def on_finished(self) -> None:
        """It came to its end by itself: what it found tells how large the network is."""
        self._experience.network_size.add([each.distance for each in self._candidates.answered()])

    def add_peers(self, values: Iterable[Endpoint]) -> list[Endpoint]:
        """Take in peers of the torrent, from an answer or our own store; those that are new and may be contacted."""
        new = []
        for peer in values:
            if peer not in self._peers and len(self._peers) < MAX_PEERS and is_contactable(peer, self._scope):
                self._peers[peer] = None
                new.append(peer)
        return new

    # -- what it found ------------------------------------------------------------------------------------------------

    @property
    def closest(self) -> list[Contact]:
        """The K closest nodes that have answered, the closest first."""
        return [candidate.contact for candidate in self._candidates.answered()[:K]]

    @property
    def tokens(self) -> list[tuple[Contact, bytes]]:
        """Where to announce: the K closest nodes as far as they gave a token, and those beyond if these are too close
        together to be there by chance."""
        return [(each.contact, each.token) for each in self._candidates.answered() if each.token]

    @property
    def known(self) -> int:
        """Candidates, asked or not."""
        return len(self._candidates)

    @property
    def peers(self) -> int:
        """Different peers the answers held."""
        return len(self._peers)

    @property
    def hops(self) -> int:
        """How many nodes had to be asked one after the other to hear of the closest."""
        return max((candidate.hops for candidate in self._candidates.answered()), default=0)

    # -- within -------------------------------------------------------------------------------------------------------

    def _slots_taken(self, now: float) -> int:
        """Queries under way that have not stalled; if nearly everybody is silent, all that are still worth a wait.

        Perhaps the network is at fault, and more queries would not help; but perhaps all that we began with are dead,
        so it must go on at a slower pace.
        """
        patience = PATIENCE if self._is_lossy() else 1
        taken = 0
        for candidate in self._silent.values():
            if candidate.state is ASKED and candidate.asked_at + candidate.stall <= now:
                self._on_stall(candidate, now)
            taken += candidate.asked_at + patience * candidate.stall > now
        return taken

    def _on_stall(self, candidate: Candidate, now: float) -> None:
        candidate.state = STALLED
        if candidate.attempts == 1:
            self._experience.unreachable.on_silence(candidate.contact.endpoint, now)
            for source in candidate.sources:
                source.failed_children += 1

    def _confirm(self, candidate: Candidate, token: bytes) -> None:
        candidate.state = ANSWERED
        candidate.token = token
        self.answered += 1
        for source in candidate.sources:
            source.answered_children += 1

    def _fail(self, candidate: Candidate) -> None:
        if candidate.state is ASKED and candidate.attempts == 1:
            for source in candidate.sources:
                source.failed_children += 1
        candidate.state = FAILED

    def _may_retry(self, candidate: Candidate) -> bool:
        """Whether a silent node deserves another query: the first may have been lost."""
        return (
            self.is_thorough
            and candidate.state is STALLED
            and candidate.attempts < TRIES
            and not candidate.is_suspect
            and not self._is_lossy()
        )

    def _next_probe(self) -> Candidate | None:
        """Whom to ask for its own neighbours."""
        if not self.is_thorough:
            return None
        closest = self._candidates.answered()[:PROBES]
        return next((each for each in closest if not each.is_probed), None) if len(closest) == PROBES else None

    def _is_lossy(self) -> bool:
        """Whether nearly everybody is silent."""
        return self.asked >= _ENOUGH_TO_JUDGE and self.answered < (1 - LOSSY) * self.asked

    def _hear_of(self, contact: Contact, source: Candidate | None, round_trip: float, now: float) -> None:
        candidate = self._candidates.get(contact.node_id)
        if candidate is None:
            if not self._is_acceptable(contact, now):
                return
            stall, distance = self._stall_of(contact, round_trip, now), contact.node_id ^ self.target
            candidate = Candidate(
                contact,
                distance,
                source.hops + 1 if source else 0,
                stall,
                log2(distance or 1) + SLOWNESS * stall,
                self._experience.unreachable.holds(contact.endpoint, now),
            )
            self._candidates.add(candidate)
        if source and candidate.is_unsettled and candidate.contact == contact:
            candidate.add_source(source)

    def _stall_of(self, contact: Contact, round_trip: float, now: float) -> float:
        """Seconds of silence after which others are asked: what is usual for the contact, or for all."""
        if round_trip == inf and (answered := self._experience.cache.get(contact, now)):
            round_trip = answered.round_trip
        return self._round_trips.stall if round_trip == inf else self._round_trips.stall_of(round_trip)

    def _is_acceptable(self, contact: Contact, now: float) -> bool:
        """Whether a stranger's word is enough to ask `contact`."""
        endpoint = contact.endpoint
        if contact.node_id == self._own_id or not is_contactable(endpoint, self._scope):
            return False
        if self._experience.identities.is_banned(endpoint, now):
            return False
        if endpoint.scope is not Scope.GLOBAL:
            return True
        if endpoint.ip in self._addresses:
            return False
        self._addresses.add(endpoint.ip)
        return True


_RANK = attrgetter("rank")


def _order(candidate: Candidate) -> tuple[bool, float]:
    return candidate.is_doubtful, candidate.rank
