"""A lookup under way: sends its queries as its turns come, and collects what it finds. Pure: it never waits.

Answers come in by callback and the next queries go out from there, so that a query costs no task and no wake-up.
Whoever waits for the search calls `pump` at `next_wake`, and is told of every change by `on_change`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from typing import TypeAlias

from magnetite.dht.contact import Contact
from magnetite.dht.exchange import Exchange
from magnetite.dht.lookup import Lookup
from magnetite.dht.messages import FindNode, GetItem, GetPeers, Response
from magnetite.dht.send_budget import SendBudget
from magnetite.dht.transactions import Outcome
from magnetite.endpoint import Endpoint
from magnetite.events import Emit, LookupFinished, LookupProgress, LookupStarted
from magnetite.ids import InfoHash, NodeId

SearchQuery: TypeAlias = FindNode | GetPeers | GetItem
Collect: TypeAlias = Callable[[Response], None]


class Search:
    """One lookup and its queries, from `start` to `finish`; after that, late answers only serve the routing table.

    `collect` is called with every answer, for whatever else than nodes and peers is searched for.
    """

    def __init__(
        self,
        lookup: Lookup,
        query: SearchQuery,
        exchange: Exchange,
        budget: SendBudget,
        emit: Emit,
        collect: Collect | None = None,
    ) -> None:
        self.lookup = lookup
        self.found: deque[Endpoint] = deque()  # peers nobody has read yet; the lookup bounds their number
        self.is_finished = False
        self.next_wake = inf
        self.on_change: Callable[[], None] = nobody_waits
        self.rest = 0.0  # seconds without new queries once there is a peer: it may be all that is needed
        self.on_settled: Callable[[], None] = nobody_waits  # called when it has a peer, or is finished
        self._query = query
        self._exchange = exchange
        self._budget = budget
        self._emit = emit
        self._collect = collect
        self._turn: float | None = None  # reserved, and not yet come
        self._started_at = 0.0
        self._rests_until = -inf

    @property
    def target(self) -> InfoHash | NodeId:
        return self._query.info_hash if isinstance(self._query, GetPeers) else self._query.target

    def start(self, now: float) -> None:
        self._started_at = now
        self._emit(LookupStarted(now, self.target, self.lookup.known))
        self.pump(now)

    def pump(self, now: float) -> None:
        """Send what may be sent now; then either the search is finished, or `next_wake` says when to come back."""
        if self.is_finished:
            return
        has_asked = False
        while (
            now >= self._rests_until
            and (contact := self.lookup.next_contact(now)) is not None
            and self._is_our_turn(contact.endpoint, now)
        ):
            aim = self.lookup.on_asked(contact, now)
            query = self._query if aim is None else FindNode(aim)
            self._exchange.ask(contact.endpoint, query, partial(self._on_outcome, contact), now)
            has_asked = True
        if not has_asked and self.lookup.is_finished(now):
            self.lookup.on_finished()
            self.finish(now)
            return
        if self._turn is not None and self._turn <= now:
            self._turn = None  # it came when there was nobody to ask
        turn = inf if self._turn is None else self._turn
        self.next_wake = min(self.lookup.next_wake(now), turn) if now >= self._rests_until else self._rests_until

    def finish(self, now: float) -> None:
        """It is over, or nobody wants its results any more."""
        if self.is_finished:
            return
        self.is_finished = True
        self.on_settled()
        lookup, counters = self.lookup, self._exchange.counters
        counters.lookups += 1
        counters.lookup_queries += lookup.asked
        counters.lookup_seconds += now - self._started_at
        self._emit(
            LookupFinished(
                now,
                self.target,
                lookup.asked,
                lookup.answered,
                lookup.peers,
                lookup.hops,
                now - self._started_at,
            )
        )

    def _is_our_turn(self, to: Endpoint, now: float) -> bool:
        if self._turn is None:
            self._turn = self._budget.reserve(to, now)
        if self._turn > now:
            return False
        self._turn = None
        return True

    def _on_outcome(self, contact: Contact, outcome: Outcome, now: float) -> None:
        if self.is_finished:
            return
        if isinstance(outcome, Response):
            is_first = not self.lookup.peers
            self.found += self.lookup.on_reply(contact, outcome, now)
            if self.found:
                if is_first:
                    self._rests_until = now + self.rest
                self.on_settled()
            if self._collect is not None:
                self._collect(outcome)
            lookup = self.lookup
            self._emit(LookupProgress(now, self.target, lookup.asked, lookup.answered, lookup.peers))
        else:
            self.lookup.on_failure(contact)
        self.pump(now)
        self.on_change()


def nobody_waits() -> None:
    pass
