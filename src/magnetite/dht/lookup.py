"""Iterative lookup: whom to ask next, and when to stop. Pure: no I/O, clock or randomness."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from math import inf
from typing import Final

from magnetite.dht.contact import Contact, Family, K
from magnetite.dht.messages import Response
from magnetite.dht.round_trips import RoundTrips
from magnetite.endpoint import Endpoint, Scope, is_contactable
from magnetite.ids import NodeId

ALPHA: Final = 5  # queries under way at once that have not stalled
START: Final = 32  # contacts a lookup begins with; eight would all have to be alive
PATIENCE: Final = 3  # stall times until a lookup no longer waits for a silent node in order to end
MAX_CANDIDATES: Final = 256
MAX_QUERIES: Final = 256  # a real lookup takes 20 to 60; liars could name ever closer nodes without end
MAX_NAMED: Final = 16  # contacts believed of one answer: K of each family, or what generous nodes send
MAX_PEERS: Final = 2_000
LOSSY: Final = 2 / 3  # of the queries silent: the network is at fault, and more queries would not help
_ENOUGH_TO_JUDGE: Final = 12  # queries


class _State(Enum):
    NEW = auto()
    ASKED = auto()
    STALLED = auto()  # silent so long that its slot was given away
    ANSWERED = auto()
    FAILED = auto()


class _Candidate:
    """A contact the lookup has heard of."""

    __slots__ = ("asked_at", "contact", "distance", "hops", "state", "token")

    def __init__(self, contact: Contact, distance: int, hops: int) -> None:
        self.contact = contact
        self.distance = distance
        self.hops = hops
        self.state = _State.NEW
        self.asked_at = inf
        self.token = b""

    def __lt__(self, other: _Candidate) -> bool:
        return self.distance < other.distance


class Lookup:
    """Asks ever closer nodes about `target` until the K closest that are alive have answered.

    The owner asks whom `next_contact` names, reports with `on_asked`, `on_reply` and `on_failure`, and looks again
    after each report and at `next_wake`. Five queries are under way at a time; one that is silent for a stall time no
    longer counts, but its answer is used whenever it comes.
    """

    def __init__(
        self,
        target: int,
        own_id: NodeId,
        start: Iterable[Contact],
        *,
        family: Family,
        scope: Scope,
        round_trips: RoundTrips,
    ) -> None:
        self.target = target
        self._own_id = own_id
        self._family = family
        self._scope = scope
        self._round_trips = round_trips
        self._candidates: list[_Candidate] = []  # the closest first
        self._known: dict[NodeId, _Candidate] = {}
        self._addresses: set[str] = set()  # public ones: a lookup listens to one node of each
        self._silent: dict[NodeId, _Candidate] = {}  # asked or stalled
        self._peers: dict[Endpoint, None] = {}
        self.asked = 0
        self.answered = 0
        self._add(start, hops=0)

    # -- whom to ask --------------------------------------------------------------------------------------------------

    def next_contact(self, now: float) -> Contact | None:
        """Whom to ask at once, if anybody; the owner then asks, and says so with `on_asked`."""
        if self._slots_taken(now) >= ALPHA or self.asked >= MAX_QUERIES:
            return None
        return next((each.contact for each in self._relevant() if each.state is _State.NEW), None)

    def next_wake(self, now: float) -> float:
        """When a look at the lookup is worthwhile even if nothing has happened; `inf` if only answers can help."""
        stall = self._round_trips.stall
        asked = [candidate.asked_at for candidate in self._silent.values()]
        wakes = [at + stall if at + stall > now else at + PATIENCE * stall for at in asked]
        return min((wake for wake in wakes if wake > now), default=inf)

    def is_finished(self, now: float) -> bool:
        """Whether the K closest living nodes have answered, or nobody is left to ask."""
        too_late = now - PATIENCE * self._round_trips.stall
        for candidate in self._relevant():
            match candidate.state:
                case _State.NEW if self.asked < MAX_QUERIES:
                    return False
                case _State.ASKED | _State.STALLED if candidate.asked_at > too_late:
                    return False
        return True

    # -- what happened ------------------------------------------------------------------------------------------------

    def on_asked(self, contact: Contact, now: float) -> None:
        candidate = self._known[contact.node_id]
        candidate.state = _State.ASKED
        candidate.asked_at = now
        self._silent[contact.node_id] = candidate
        self.asked += 1

    def on_reply(self, contact: Contact, reply: Response) -> list[Endpoint]:
        """Take in an answer, late ones too; returns the peers that are new.

        A node that answers under another id than it was named with is not believed.
        """
        candidate = self._known[contact.node_id]
        self._silent.pop(contact.node_id, None)
        if reply.sender != contact.node_id:
            candidate.state = _State.FAILED
            return []
        candidate.state = _State.ANSWERED
        candidate.token = reply.token
        self.answered += 1
        self._add(reply.contacts(self._family)[:MAX_NAMED], candidate.hops + 1)
        return self.add_peers(reply.values)

    def on_failure(self, contact: Contact) -> None:
        """`contact` gave no answer in time, or an error."""
        self._known[contact.node_id].state = _State.FAILED
        self._silent.pop(contact.node_id, None)

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
        return [candidate.contact for candidate in self._closest()]

    @property
    def tokens(self) -> list[tuple[Contact, bytes]]:
        """Where to announce: the K closest nodes, as far as they gave a token."""
        return [(candidate.contact, candidate.token) for candidate in self._closest() if candidate.token]

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
        return max((candidate.hops for candidate in self._closest()), default=0)

    # -- within -------------------------------------------------------------------------------------------------------

    def _relevant(self) -> Iterator[_Candidate]:
        """The candidates from the closest on, up to where K of them have answered or may be about to."""
        hopeful = 0
        for candidate in self._candidates:
            if hopeful == K:
                return
            yield candidate
            if candidate.state is _State.ANSWERED or candidate.state is _State.ASKED:
                hopeful += 1

    def _slots_taken(self, now: float) -> int:
        """Queries under way that have not stalled; if nearly everybody is silent, all that are still worth a wait.

        Perhaps the network is at fault, and more queries would not help; but perhaps all that we began with are dead,
        so it must go on at a slower pace.
        """
        stalled_since = now - self._round_trips.stall
        patience = PATIENCE if self._is_lossy() else 1
        taken = 0
        for candidate in self._silent.values():
            if candidate.asked_at <= stalled_since:
                candidate.state = _State.STALLED
            taken += candidate.asked_at > now - patience * self._round_trips.stall
        return taken

    def _is_lossy(self) -> bool:
        """Whether nearly everybody is silent."""
        return self.asked >= _ENOUGH_TO_JUDGE and self.answered < (1 - LOSSY) * self.asked

    def _closest(self) -> list[_Candidate]:
        return [each for each in self._candidates if each.state is _State.ANSWERED][:K]

    def _add(self, contacts: Iterable[Contact], hops: int) -> None:
        for contact in contacts:
            if contact.node_id not in self._known and self._is_acceptable(contact):
                candidate = _Candidate(contact, contact.node_id ^ self.target, hops)
                self._known[contact.node_id] = candidate
                insort(self._candidates, candidate)
        if len(self._candidates) > MAX_CANDIDATES:
            self._drop_farthest()

    def _is_acceptable(self, contact: Contact) -> bool:
        """Whether a stranger's word is enough to ask `contact`. A limit for each /24 would belong here, too."""
        if contact.node_id == self._own_id or not is_contactable(contact.endpoint, self._scope):
            return False
        if contact.endpoint.scope is not Scope.GLOBAL:
            return True
        if contact.endpoint.ip in self._addresses:
            return False
        self._addresses.add(contact.endpoint.ip)
        return True

    def _drop_farthest(self) -> None:
        """Forget the farthest candidates that nobody has asked yet; with MAX_QUERIES, those asked are bounded too."""
        kept = self._candidates[:MAX_CANDIDATES]
        for candidate in self._candidates[MAX_CANDIDATES:]:
            if candidate.state is _State.NEW:
                del self._known[candidate.contact.node_id]
                self._addresses.discard(candidate.contact.endpoint.ip)
            else:
                kept.append(candidate)
        self._candidates = kept
