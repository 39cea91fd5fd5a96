"""Endpoints that may be peers of one torrent: whom to dial next, whom never again. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf

from magnetite.endpoint import Endpoint, Scope, is_contactable, may_contact
from magnetite.events import Source
from magnetite.swarm.peer_priority import peer_priority
from magnetite.ways import Way

CAPACITY = 2000  # endpoints remembered for one torrent
RETRY_AFTER = 60.0  # seconds until an address is dialled again, doubled with every failure
RETRY_LOST = 3.0  # seconds, where the network broke a connection that had brought us something
MOST_FAILURES = 4  # in a row, then it is forgotten
MOST_BANS = 10_000  # addresses; the oldest ban makes way
MOST_GOSSIP = CAPACITY // 2  # of them that peers named and that have not worked yet: the DHT's find room, too
MOST_OF_ONE = 50  # of these named from one address: whoever makes them up is rid of them after a quarter of an hour
TRUSTED = (Source.USER, Source.MAGNET)  # named by our own user, who may mean a host behind the router
FIRST = (*TRUSTED, Source.LSD)  # and then whoever is near


@dataclass(slots=True)
class Candidate:
    endpoint: Endpoint
    source: Source
    failures: int = 0
    dialled: float = -inf  # when it was last handed out
    busy: bool = False  # being dialled, or connected; otherwise it waits in a queue
    named_by: str | None = None  # address of the peer whose word is all we have for it
    way: Way | None = None  # that led there last
    is_seed: bool = False  # it had all it wanted, when we or somebody else last saw it


class CandidatePool:
    """Every endpoint heard of for a torrent, in the order they are to be dialled.

    Of those that are due our own user's and the local network's come first, then those that have failed least often;
    among equals BEP 40 decides, as far as we know our own address, and then who was heard of first.

    A seed has nothing to trade with other seeds, which are left aside as long as it is one.

    Invariant: an endpoint is handed out at most once in RETRY_AFTER, however often it is named, unless it was released
    to be dialled sooner; never while it is busy; never once its address is banned. At most CAPACITY are remembered,
    MOST_GOSSIP of them on the word of peers alone, MOST_OF_ONE of these on the word of one.
    """

    def __init__(self, local: Sequence[Endpoint]) -> None:
        self._local = local  # what our sockets are bound to
        self._known: dict[Endpoint, Candidate] = {}
        self._waiting: list[tuple[float, int, Candidate]] = []  # by the time they are due, then first heard first
        self._due: list[tuple[tuple[bool, int, int], int, Candidate]] = []  # by rank, then first heard first
        self._aside: dict[Endpoint, Candidate] = {}  # seeds that are due, and in no queue
        self._sequence = 0
        self._banned: dict[str, None] = {}  # addresses: a new port is no new peer
        self._own: dict[bool, Endpoint] = {}  # by whether it is of IPv6
        self._named: Counter[str] = Counter()  # candidates by `named_by`
        self._gossiped: set[str | Endpoint] = set()  # owners of the candidates with `named_by`

    def __len__(self) -> int:
        return len(self._known)

    def add(self, endpoint: Endpoint, source: Source, now: float, named_by: str | None = None) -> bool:
        """Whether the endpoint is news. What strangers name is believed only in reach of our sockets (see `endpoint`).

        `named_by` is the address of the peer that named it, if one did.
        """
        if endpoint in self._known or endpoint.ip in self._banned:
            return False
        if source not in TRUSTED and not self._is_credible(endpoint, source):
            return False
        if named_by is not None and not self._may_name(named_by, endpoint):
            return False
        if len(self._known) >= CAPACITY and not self._make_room(now):
            return False
        self._known[endpoint] = candidate = Candidate(endpoint, source, named_by=named_by)
        if named_by is not None:
            self._named[named_by] += 1
            self._gossiped.add(endpoint.owner)
        self._enqueue(candidate, now)
        return True

    def _is_credible(self, endpoint: Endpoint, source: Source) -> bool:
        if self.is_own(endpoint):
            return False
        if source is Source.LSD:  # private addresses are what it is there for: they spoke for themselves, on our link
            return endpoint.scope is not Scope.LOOPBACK and is_contactable(endpoint, endpoint.scope)
        return may_contact(endpoint, self._local)

    def is_own(self, endpoint: Endpoint) -> bool:
        return self._own.get(endpoint.is_ipv6) == endpoint

    def may_dial(self, endpoint: Endpoint) -> bool:
        """Whether somebody whom a stranger names may be dialled out of turn, without being remembered here."""
        return not self.is_own(endpoint) and not self.is_banned(endpoint.ip) and may_contact(endpoint, self._local)

    def named_by(self, endpoint: Endpoint) -> str | None:
        """The address of the peer on whose word alone we know it."""
        candidate = self._known.get(endpoint)
        return candidate.named_by if candidate else None

    def _may_name(self, peer: str, endpoint: Endpoint) -> bool:
        """Many ports of one address are more likely somebody's victim than many peers (BEP 11)."""
        if len(self._gossiped) >= MOST_GOSSIP or self._named[peer] >= MOST_OF_ONE:
            return False
        return endpoint.owner not in self._gossiped

    def learn_own(self, endpoint: Endpoint) -> None:
        """How others reach us, so far as we know: what BEP 40 orders by, and whom not to dial."""
        if self._own.get(endpoint.is_ipv6) != endpoint:
            self._own[endpoint.is_ipv6] = endpoint
            self._sort()

    def next(self, now: float, *, seeding: bool = False) -> Endpoint | None:
        """The endpoint to dial now, marked busy; None where nothing is due. While `seeding` no seed is."""
        if self._aside and not seeding:
            for candidate in self._aside.values():
                self._enqueue(candidate, now)
            self._aside.clear()
        while self._waiting and self._waiting[0][0] <= now:
            _, sequence, candidate = heappop(self._waiting)
            if self._is_known(candidate):
                heappush(self._due, (self._rank(candidate), sequence, candidate))
        if len(self._due) > 2 * CAPACITY:
            self._sort()
        while self._due:
            _, _, candidate = heappop(self._due)
            if not self._is_known(candidate):
                continue  # forgotten while it waited
            if seeding and candidate.is_seed:
                self._aside[candidate.endpoint] = candidate
                continue
            if candidate.failures >= MOST_FAILURES:
                self._forget(candidate)  # not before: named again, it would be dialled again at once
                continue
            candidate.busy = True
            candidate.dialled = now
            return candidate.endpoint
        return None

    def next_due(self, *, seeding: bool = False) -> float:
        """When `next` may have something; infinity when nothing waits."""
        if self._due or (self._aside and not seeding):
            return -inf
        return self._waiting[0][0] if self._waiting else inf

    def source(self, endpoint: Endpoint) -> Source:
        candidate = self._known.get(endpoint)
        return candidate.source if candidate else Source.INCOMING

    def way(self, endpoint: Endpoint) -> Way | None:
        """How it was reached the last time, if it was."""
        candidate = self._known.get(endpoint)
        return candidate.way if candidate else None

    def reached(self, endpoint: Endpoint, way: Way) -> None:
        """It has shaken hands, and is to be dialled by the same way first when it is dialled again."""
        candidate = self._known.get(endpoint)
        if candidate is not None:
            candidate.way = way

    def note_seed(self, endpoint: Endpoint) -> None:
        """It has all it wants."""
        candidate = self._known.get(endpoint)
        if candidate is not None:
            candidate.is_seed = True

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """It could not be reached, or was of no use: wait longer each time, then forget it."""
        candidate = self._known.get(endpoint)
        if candidate is not None and candidate.busy:
            candidate.failures += 1
            candidate.way = None
            self._enqueue(candidate, now + RETRY_AFTER * 2 ** (candidate.failures - 1))

    def released(self, endpoint: Endpoint, now: float, *, retry_after: float = RETRY_AFTER) -> None:
        """A connection that had worked is over; it may be tried again after so many seconds."""
        candidate = self._known.get(endpoint)
        if candidate is not None and candidate.busy:
            candidate.failures = 0
            self._clear_name(candidate)  # it has spoken for itself
            self._enqueue(candidate, now + retry_after)

    def ban(self, ip: str) -> None:
        """Never again: it lied. What is known of the address goes, so that it does not fill the pool, and on its word
        nobody is dialled.
        """
        while len(self._banned) >= MOST_BANS:
            del self._banned[next(iter(self._banned))]
        self._banned[ip] = None
        for candidate in list(self._known.values()):
            if candidate.endpoint.ip == ip or (candidate.named_by == ip and candidate.dialled == -inf):
                self._forget(candidate)

    def is_banned(self, ip: str) -> bool:
        return ip in self._banned

    def _enqueue(self, candidate: Candidate, due: float) -> None:
        candidate.busy = False
        self._sequence += 1
        heappush(self._waiting, (due, self._sequence, candidate))

    def priority(self, endpoint: Endpoint) -> int:
        """Of a connection with it (BEP 40), the higher the better; 0 as long as we do not know our own address."""
        own = self._own.get(endpoint.is_ipv6)
        return peer_priority(own, endpoint) if own is not None else 0

    def _rank(self, candidate: Candidate) -> tuple[bool, int, int]:
        return candidate.source not in FIRST, candidate.failures, -self.priority(candidate.endpoint)

    def _sort(self) -> None:
        """Order anew those that are due, without the forgotten."""
        self._due = [(self._rank(each), sequence, each) for _, sequence, each in self._due if self._is_known(each)]
        heapify(self._due)

    def _is_known(self, candidate: Candidate) -> bool:
        return self._known.get(candidate.endpoint) is candidate

    def _forget(self, candidate: Candidate) -> None:
        self._clear_name(candidate)
        self._aside.pop(candidate.endpoint, None)
        del self._known[candidate.endpoint]

    def _clear_name(self, candidate: Candidate) -> None:
        if candidate.named_by is not None:
            self._gossiped.discard(candidate.endpoint.owner)
            self._named -= Counter((candidate.named_by,))  # and no zeros are kept
            candidate.named_by = None

    def _make_room(self, now: float) -> bool:
        """Forget an endpoint that has failed, or was left aside; where all are fresh, what comes late is not taken.

        Not one that was dialled just now: named again, it would be dialled again at once.
        """
        for candidate in self._known.values():
            is_useless = candidate.failures or candidate.endpoint in self._aside
            if is_useless and not candidate.busy and now - candidate.dialled >= RETRY_AFTER:
                self._forget(candidate)
                return True
        return False
