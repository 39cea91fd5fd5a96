"""A node's dealings with others at one socket address, a datagram at a time. Pure: it sends by a function it is given.

Our queries go out and their answers find back to whoever asked; the queries of others are answered at once. On the
way the routing table learns who lives and who does not, and we learn what others see of us.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf

from msgspec.structs import replace

from magnetite.dht.blocklist import Blocklist
from magnetite.dht.contact import Contact
from magnetite.dht.decoding import decode
from magnetite.dht.encoding import ERROR_START, encode_query
from magnetite.dht.external_address import ExternalAddress
from magnetite.dht.limiter import AnswerLimiter
from magnetite.dht.messages import ErrorMessage, IncomingQuery, Query, RefusedQuery, Response
from magnetite.dht.reachability import Reachability
from magnetite.dht.responder import Responder
from magnetite.dht.round_trips import RoundTrips
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.shortcut import Shortcut
from magnetite.dht.statistics import Counters, Ignored
from magnetite.dht.transactions import OnOutcome, Pending, Transactions
from magnetite.dht.triage import is_junk, is_query, transaction_of
from magnetite.endpoint import Endpoint
from magnetite.errors import KrpcError


class Exchange:
    """Sends queries, takes in datagrams, and tells each query's owner how it ended, exactly once."""

    def __init__(
        self,
        table: RoutingTable,
        responder: Responder,
        shortcut: Shortcut,
        limiter: AnswerLimiter,
        reachability: Reachability,
        counters: Counters,
        rng: random.Random,
        send: Callable[[bytes, Endpoint], bool],
    ) -> None:
        self.counters = counters
        self.round_trips = RoundTrips()
        self.external = ExternalAddress()
        self.blocklist = Blocklist()
        self._heard_at = -inf  # when a datagram came last
        self._waiting_since = inf  # when we first asked somebody after that
        self._table = table
        self._responder = responder
        self._shortcut = shortcut
        self._limiter = limiter
        self._reachability = reachability
        self._transactions = Transactions(rng)
        self._send = send

    @property
    def pending(self) -> int:
        return len(self._transactions)

    def is_silent(self, patience: float, now: float) -> bool:
        """Whether no datagram at all has come in the `patience` seconds since we asked somebody."""
        return now - self._waiting_since >= patience

    def ask(self, to: Endpoint, query: Query, on_outcome: OnOutcome, now: float, *, may_join: bool = True) -> None:
        """Send a query. `on_outcome` is called later: with the answer, the error, or None after GIVE_UP seconds.

        Without `may_join` the answerer is not taken into the routing table. Raises LocalProtocolError if too many
        queries are pending.
        """
        transaction = self._transactions.open(Pending(to, now, on_outcome, may_join))
        self._waiting_since = min(self._waiting_since, now)
        self._table.on_asked(to, now)
        self._reachability.on_sent(to, now)
        data = encode_query(transaction, self._table.own_id, query, self._reachability.is_read_only(now))
        self._send(data, to)
        self.counters.queries_sent[query.method] += 1
        self.counters.bytes_sent += len(data)

    def receive(self, data: bytes, source: Endpoint, now: float) -> None:
        """Take in a datagram; whatever it holds, it is dealt with when this returns."""
        self._heard_at = now
        self._waiting_since = inf
        self.counters.bytes_received += len(data)
        refusal = self._refusal(data, source, now)
        if refusal is not None:
            self.counters.ignored[refusal] += 1
            return
        plain = None if self._reachability.is_read_only(now) else self._shortcut.answer(data, source, now)
        if plain is not None:
            method, answer = plain
            self.counters.queries_received[method] += 1
            self._reachability.on_query(source, now)
            self._answer(answer, source, now)
            return
        try:
            message = decode(data)
        except KrpcError:
            self.counters.ignored[Ignored.JUNK] += 1
            return
        if isinstance(message, (Response, ErrorMessage)):
            self._on_answer(message, source, now)
        else:
            self._on_query(message, source, len(data), now)

    def expire(self, now: float) -> None:
        """Give up on the queries that have waited long enough."""
        for pending in self._transactions.expire(now):
            self.counters.timeouts += 1
            if self._heard_at > pending.sent:  # otherwise the network is gone, not the contact
                self._table.on_failure(pending.endpoint, now)
            pending.on_outcome(None, now)

    def give_up_all(self, now: float) -> None:
        """Give up on every query, and blame nobody: we slept, or the network did."""
        for pending in self._transactions.drain():
            pending.on_outcome(None, now)

    def _refusal(self, data: bytes, source: Endpoint, now: float) -> Ignored | None:
        """Why a datagram is not even read; answers are never refused for their number."""
        if is_junk(data):
            return Ignored.JUNK
        if self.blocklist.blocks(source.ip):
            return Ignored.BLOCKED
        if is_query(data):
            return self._limiter.refusal(source, now)
        return None if transaction_of(data) in self._transactions else Ignored.UNEXPECTED

    def _on_query(self, message: IncomingQuery | RefusedQuery, source: Endpoint, length: int, now: float) -> None:
        counters = self.counters
        if isinstance(message, IncomingQuery):
            counters.queries_received[message.query.method] += 1
            if message.sender == self._table.own_id:
                self._on_own_query(message, now)
                return
        self._reachability.on_query(source, now)
        if self._reachability.is_read_only(now):  # "It no longer responds to 'query' messages" (BEP 43)
            counters.ignored[Ignored.READ_ONLY] += 1
            return
        if isinstance(message, RefusedQuery):
            answer = self._responder.refuse(message, source)
        else:
            answer = self._responder.answer(message, source, length, now)
        self._answer(answer, source, now)

    def _answer(self, answer: bytes, source: Endpoint, now: float) -> None:
        counters = self.counters
        if answer.startswith(ERROR_START):
            counters.errors_sent += 1
        else:
            counters.answers_sent += 1
        counters.bytes_sent += len(answer)
        self._limiter.charge(len(answer), now)
        self._send(answer, source)

    def _on_own_query(self, message: IncomingQuery, now: float) -> None:
        """Our own ping came in from outside, or somebody took our id: only we know the transaction."""
        if message.transaction in self._transactions:
            self._reachability.on_own_ping(now)

    def _on_answer(self, message: Response | ErrorMessage, source: Endpoint, now: float) -> None:
        pending = self._transactions.close(message.transaction, source)
        if pending is None:
            self.counters.ignored[Ignored.UNEXPECTED] += 1
            return
        if isinstance(message, Response) and self.blocklist:
            message = self._without_blocked(message)
        round_trip = now - pending.sent
        self.round_trips.add(round_trip)
        if isinstance(message, Response):
            self.counters.responses_received += 1
            if message.our_endpoint is not None:
                self.external.vote(source, message.our_endpoint)
            if pending.may_join:
                self._table.on_response(Contact(message.sender, source), round_trip, now)
        else:
            self.counters.errors_received += 1
        pending.on_outcome(message, now)

    def _without_blocked(self, response: Response) -> Response:
        """The answer without whom we have nothing to do with: neither nodes nor peers of theirs are ever contacted."""
        blocks = self.blocklist.blocks
        return replace(
            response,
            nodes=tuple(contact for contact in response.nodes if not blocks(contact.endpoint.ip)),
            nodes6=tuple(contact for contact in response.nodes6 if not blocks(contact.endpoint.ip)),
            values=tuple(peer for peer in response.values if not blocks(peer.ip)),
        )
