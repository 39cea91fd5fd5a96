"""Endpoints that may be peers of one torrent: whom to dial next, whom never again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from magnetite.endpoint import Endpoint, Scope, is_contactable
from magnetite.events import Source

CAPACITY = 2000  # endpoints remembered for one torrent
RETRY_AFTER = 60.0  # seconds until an address is dialled again, doubled with every failure
MOST_FAILURES = 4  # in a row, then it is forgotten
MOST_BANS = 10_000  # addresses; the oldest ban makes way
TRUSTED = (Source.USER, Source.MAGNET)  # named by our own user, who may mean a host behind the router


@dataclass(slots=True)
class Candidate:
    endpoint: Endpoint
    source: Source
    failures: int = 0
    dialled: float = -inf  # when it was last handed out
    busy: bool = False  # being dialled, or connected; otherwise it waits in the queue


class CandidatePool:
    """Every endpoint heard of for a torrent, in the order they are to be dialled.

    Invariant: an endpoint is handed out at most once in RETRY_AFTER, however often it is named; never while it is
    busy; never once its address is banned. At most CAPACITY are remembered.
    """

    def __init__(self, own_scope: Scope) -> None:
        self._own_scope = own_scope
        self._known: dict[Endpoint, Candidate] = {}
        self._queue: list[tuple[float, int, Candidate]] = []  # by the time they are due, then first heard first
        self._sequence = 0
        self._banned: dict[str, None] = {}  # addresses: a new port is no new peer

    def __len__(self) -> int:
        return len(self._known)

    def add(self, endpoint: Endpoint, source: Source, now: float) -> bool:
        """Whether the endpoint is news. What strangers name is believed only in our own scope (see `endpoint`)."""
        if endpoint in self._known or endpoint.ip in self._banned:
            return False
        if source not in TRUSTED and not is_contactable(endpoint, self._own_scope):
            return False
        if len(self._known) >= CAPACITY and not self._make_room(now):
            return False
        self._known[endpoint] = candidate = Candidate(endpoint, source)
        self._enqueue(candidate, now)
        return True

    def next(self, now: float) -> Endpoint | None:
        """The endpoint to dial now, marked busy; None where nothing is due."""
        while self._queue and self._queue[0][0] <= now:
            _, _, candidate = heappop(self._queue)
            if self._known.get(candidate.endpoint) is not candidate:
                continue  # forgotten while it waited
            if candidate.failures >= MOST_FAILURES:
                del self._known[candidate.endpoint]  # not before: named again, it would be dialled again at once
                continue
            candidate.busy = True
            candidate.dialled = now
            return candidate.endpoint
        return None

    def next_due(self) -> float:
        """When `next` may have something again; infinity when nothing waits."""
        return self._queue[0][0] if self._queue else inf

    def source(self, endpoint: Endpoint) -> Source:
        candidate = self._known.get(endpoint)
        return candidate.source if candidate else Source.INCOMING

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """It could not be reached, or was of no use: wait longer each time, then forget it."""
        candidate = self._known.get(endpoint)
        if candidate is not None and candidate.busy:
            candidate.failures += 1
            self._enqueue(candidate, now + RETRY_AFTER * 2 ** (candidate.failures - 1))

    def released(self, endpoint: Endpoint, now: float) -> None:
        """A connection that had worked is over; it may be tried again after RETRY_AFTER."""
        candidate = self._known.get(endpoint)
        if candidate is not None and candidate.busy:
            candidate.failures = 0
            self._enqueue(candidate, now + RETRY_AFTER)

    def ban(self, ip: str) -> None:
        """Never again: it lied. What is known of the address goes, so that it does not fill the pool."""
        while len(self._banned) >= MOST_BANS:
            del self._banned[next(iter(self._banned))]
        self._banned[ip] = None
        for endpoint in [endpoint for endpoint in self._known if endpoint.ip == ip]:
            del self._known[endpoint]

    def is_banned(self, ip: str) -> bool:
        return ip in self._banned

    def _enqueue(self, candidate: Candidate, due: float) -> None:
        candidate.busy = False
        self._sequence += 1
        heappush(self._queue, (due, self._sequence, candidate))

    def _make_room(self, now: float) -> bool:
        """Forget an endpoint that has failed; where all are fresh, what comes late is not taken.

        Not one that was dialled just now: named again, it would be dialled again at once.
        """
        for endpoint, candidate in self._known.items():
            if candidate.failures and not candidate.busy and now - candidate.dialled >= RETRY_AFTER:
                del self._known[endpoint]
                return True
        return False
