"""A node's presence at one socket address: an id, a routing table and the dealings with others there (BEP 45).

Two loops: one receives, and answers inline; one keeps the routing table true, and notices when the network is gone or
sees us at another address. A third, in `joining`, finds a first node. A search has no task: whoever reads it drives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import trio

from magnetite.dht.commons import Commons
from magnetite.dht.contact import Contact, family_of
from magnetite.dht.exchange import Exchange
from magnetite.dht.external_address import VOTERS
from magnetite.dht.joining import Joining
from magnetite.dht.lookup import begin_lookup
from magnetite.dht.messages import FindNode, GetPeers, Ping
from magnetite.dht.reachability import Reachability
from magnetite.dht.responder import Responder
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.search import Collect, Search, SearchQuery
from magnetite.dht.shortcut import Shortcut
from magnetite.dht.statistics import AddressStatistics
from magnetite.dht.transactions import Outcome
from magnetite.dht.upkeep import next_to_ask, refresh_target
from magnetite.endpoint import Endpoint, is_contactable
from magnetite.events import AddressChanged, NetworkLost, NetworkReturned, NodeStarted
from magnetite.ids import NodeId
from magnetite.net.base import Datagram, DatagramSocket

QUICK_TICK: Final = 1.0  # seconds between two rounds of upkeep while nobody is heard
TICK: Final = 2.0  # while there is something to do
IDLE_TICK: Final = 8.0
CUT_OFF_QUERIES: Final = 4  # in one round, while nothing comes in
SILENCE: Final = 15.0  # seconds without any datagram, though we asked: the network is gone, not the contacts
ASLEEP: Final = 60.0  # seconds a round of upkeep is late: the process was stopped
OWN_PING: Final = 300.0  # seconds between two pings of our own external address
POLL: Final = 300.0  # seconds between two polls; behind some routers everybody sees us elsewhere, and that for ever


class Presence:
    """One id at one socket address, in the DHT of its family. Made by `open_node`, which runs its tasks.

    `tables` are those it tells of: its own, and of the other family that of another presence, if there is one.
    """

    def __init__(self, socket: DatagramSocket, commons: Commons, saved: Sequence[Endpoint]) -> None:
        now = trio.current_time()
        self.local = socket.local
        self.family = family_of(socket.local)
        self.table = RoutingTable(commons.own_ids.at_start(socket.local), socket.local.scope, commons.emit)
        self.tables = {self.family: self.table}
        self.searches = 0
        self._commons = commons
        self._socket = socket
        self._reachability = Reachability(socket.local, now, commons.read_only)
        self._responder = Responder(self.tables, commons.store, commons.items, commons.tokens, commons.emit)
        self.exchange = Exchange(
            self.table,
            self._responder,
            Shortcut(self.table, self.family, commons.store, commons.tokens),
            commons.limiter,
            self._reachability,
            commons.counters,
            commons.rng,
            socket.send,
        )
        contactable = [endpoint for endpoint in saved if self.may_contact(endpoint)]
        self.joining = Joining(self.table, self.exchange, commons, self.family, contactable)
        self._is_cut_off = False
        self._seen_at = ""  # the external IP address our id was last chosen for
        self._pinged_ourselves_at = now - OWN_PING
        self._polled_at = now - POLL
        commons.emit(NodeStarted(now, self.local, self.table.own_id, len(contactable)))

    def may_contact(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint that a stranger named may be written to from here."""
        return family_of(endpoint) is self.family and is_contactable(endpoint, self.local.scope)

    @property
    def external(self) -> Endpoint | None:
        """Where others see us, if they agree."""
        return self.exchange.external.agreed

    def statistics(self, now: float) -> AddressStatistics:
        return AddressStatistics(
            local=self.local,
            external=self.external,
            node_id=self.table.own_id,
            is_usable=self.joining.is_usable,
            is_read_only=self._reachability.is_read_only(now),
            contacts=len(self.table),
            verified=self.table.verified,
            pending=self.exchange.pending,
            stall=self.exchange.round_trips.stall,
            network_size=self.table.experience.network_size.nodes,
        )

    # -- searching ----------------------------------------------------------------------------------------------------

    @contextmanager
    def searching(self, query: SearchQuery, collect: Collect | None = None) -> Iterator[Search]:
        """A search that has begun, and ends with the block. Whoever waits for it drives it: see `Search`."""
        target = query.info_hash if isinstance(query, GetPeers) else query.target
        lookup = begin_lookup(target, self.table, self.exchange.round_trips, self.family, trio.current_time())
        search = Search(lookup, query, self.exchange, self._commons.budget, self._commons.emit, collect)
        self.searches += 1
        try:
            yield search
        finally:
            self.searches -= 1
            search.finish(trio.current_time())

    # -- tasks --------------------------------------------------------------------------------------------------------

    async def receive(self) -> None:
        await self._socket.feed(self._take)

    async def keep_up(self) -> None:
        while True:
            now = trio.current_time()
            due = now + self._tick(now) * self._commons.rng.uniform(0.9, 1.1)
            await trio.sleep_until(due)
            now = trio.current_time()
            if now > due + ASLEEP:
                self.exchange.give_up_all(now)  # they answered while we could not hear it
                self.joining.rejoin()
            self.exchange.expire(now)
            self._watch_network(now)
            self._watch_address(now)
            self._refresh(now)
            self.joining.check(now)

    # -- within -------------------------------------------------------------------------------------------------------

    def _take(self, datagrams: list[Datagram]) -> None:
        receive, now = self.exchange.receive, trio.current_time()
        for data, source in datagrams:
            receive(data, source, now)
        if not self.joining.is_usable:
            self.joining.check(now)

    def _tick(self, now: float) -> float:
        if self._is_cut_off or not self.joining.is_usable:
            return QUICK_TICK
        return TICK if self.exchange.pending or now >= self.table.quiet_until else IDLE_TICK

    def _refresh(self, now: float) -> None:
        """Ask the contacts that are due; upkeep takes its turns at once, and the searches' turns come later for it."""
        for contact in next_to_ask(self.table, now):
            self._ask(contact, refresh_target(self.table, contact, self._commons.rng), now)

    def _watch_network(self, now: float) -> None:
        """Where nothing at all comes in, nobody is blamed; a few are asked ever again, so that its return shows."""
        is_silent = self.exchange.is_silent(SILENCE, now)
        if is_silent:
            if not self._is_cut_off:
                self._commons.emit(NetworkLost(now, self.local))
            self._ask_anybody(CUT_OFF_QUERIES, now)
        elif self._is_cut_off:
            self._commons.emit(NetworkReturned(now, self.local))
            self.exchange.external.forget()
            self.joining.rejoin()
        self._is_cut_off = is_silent

    def _watch_address(self, now: float) -> None:
        """Take the id that belongs to the address others see (BEP 42), and try whether it is open to strangers."""
        if self.exchange.external.is_disputed and now >= self._polled_at + POLL:
            self._polled_at = now
            self._ask_anybody(VOTERS, now)
        external = self.external
        if external is None:
            return
        if external.ip != self._seen_at:
            self._seen_at = external.ip
            self._reachability.on_external(external)
            self._take_id(self._commons.own_ids.at_external(self.local, external.ip, self.table.own_id), external, now)
        if self._reachability.is_read_only(now) and now >= self._pinged_ourselves_at + OWN_PING:
            self._pinged_ourselves_at = now
            self.exchange.ask(external, Ping(), ignore, now, may_join=False)

    def _take_id(self, node_id: NodeId, external: Endpoint, now: float) -> None:
        if node_id != self.table.own_id:
            self._commons.emit(AddressChanged(now, self.local, external, node_id))
            self.table.rehome(node_id, now)
            self.joining.rejoin()

    def _ask_anybody(self, count: int, now: float) -> None:
        """Ask some contacts, to see whether answers come and what they say of us."""
        entries = list(self.table)
        for entry in self._commons.rng.sample(entries, min(count, len(entries))):
            self._ask(entry.contact, self.table.own_id, now)

    def _ask(self, contact: Contact, target: NodeId, now: float) -> None:
        self._commons.budget.reserve(contact.endpoint, now)
        self.exchange.ask(contact.endpoint, FindNode(target), self.joining.take_in, now)


def ignore(outcome: Outcome, now: float) -> None:
    """The routing table has heard it already."""
