"""A node's dealings with others, one datagram at a time. Pure: it sends through a function it was given, never waits.

Our queries go out and their answers find back to whoever asked; the queries of others are answered at once. On the
way the routing table learns who lives and who does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf

from magnetite.dht.contact import Contact
from magnetite.dht.decoding import decode
from magnetite.dht.encoding import encode_query
from magnetite.dht.limiter import AnswerLimiter
from magnetite.dht.messages import ErrorMessage, IncomingQuery, Query, RefusedQuery, Response
from magnetite.dht.responder import Responder
from magnetite.dht.round_trips import RoundTrips
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.statistics import Counters
from magnetite.dht.transactions import OnOutcome, Pending, Transactions
from magnetite.endpoint import Endpoint
from magnetite.errors import KrpcError


class Exchange:
    """Sends queries, takes in datagrams, and tells each query's owner how it ended, exactly once."""

    def __init__(
        self,
        table: RoutingTable,
        responder: Responder,
        rng: random.Random,
        send: Callable[[bytes, Endpoint], bool],
        *,
        read_only: bool,
    ) -> None:
        self.counters = Counters()
        self.round_trips = RoundTrips()
        self._table = table
        self._responder = responder
        self._limiter = AnswerLimiter()
        self._transactions = Transactions(rng)
        self._send = send
        self._read_only = read_only
        self._heard_at = -inf

    @property
    def pending(self) -> int:
        return len(self._transactions)

    def ask(self, to: Endpoint, query: Query, on_outcome: OnOutcome, now: float, *, may_join: bool = True) -> None:
        """Send a query. `on_outcome` is called later: with the answer, the error, or None after GIVE_UP seconds.

        Without `may_join` the answerer is not taken into the routing table. Raises LocalProtocolError if too many
        queries are pending.
        """
        transaction = self._transactions.open(Pending(to, now, on_outcome, may_join))
        self._table.on_asked(to, now)
        self._send(encode_query(transaction, self._table.own_id, query, self._read_only), to)
        self.counters.queries_sent += 1

    def receive(self, data: bytes, source: Endpoint, now: float) -> None:
        """Take in a datagram; whatever it holds, it is dealt with when this returns."""
        self._heard_at = now
        try:
            message = decode(data)
        except KrpcError:
            self.counters.junk += 1
            return
        if isinstance(message, IncomingQuery | RefusedQuery):
            self._on_query(message, source, len(data), now)
        else:
            self._on_answer(message, source, now)

    def expire(self, now: float) -> None:
        """Give up on the queries that have waited long enough."""
        for pending in self._transactions.expire(now):
            self.counters.timeouts += 1
            if self._heard_at > pending.sent:  # otherwise the network is gone, not the contact
                self._table.on_failure(pending.endpoint, now)
            pending.on_outcome(None, now)

    def _on_query(self, message: IncomingQuery | RefusedQuery, source: Endpoint, length: int, now: float) -> None:
        self.counters.queries_received += 1
        if self._read_only:  # "It no longer responds to 'query' messages that it receives" (BEP 43)
            return
        if not self._limiter.allows(source.owner, now):
            self.counters.over_limit += 1
            return
        if isinstance(message, RefusedQuery):
            answer = self._responder.refuse(message, source)
        else:
            answer = self._responder.answer(message, source, length, now)
        self._send(answer, source)
        self.counters.answers_sent += 1

    def _on_answer(self, message: Response | ErrorMessage, source: Endpoint, now: float) -> None:
        pending = self._transactions.close(message.transaction, source)
        if pending is None:
            self.counters.unexpected += 1
            return
        round_trip = now - pending.sent
        self.round_trips.add(round_trip)
        if isinstance(message, Response):
            self.counters.responses_received += 1
            if pending.may_join:
                self._table.on_response(Contact(message.sender, source), round_trip, now)
        else:
            self.counters.errors_received += 1
        pending.on_outcome(message, now)
