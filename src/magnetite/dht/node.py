"""The DHT node: the one file of the DHT with tasks.

Two loops and the way in: one receives, and answers inline; one keeps the routing table true; one joins the DHT, and
joins again whenever nobody is left. A search has no task: whoever reads its peers drives it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio

from magnetite.background import background
from magnetite.dht.contact import Contact, K, family_of
from magnetite.dht.exchange import Exchange
from magnetite.dht.lookup import MAX_NAMED, START, Lookup
from magnetite.dht.messages import ErrorMessage, FindNode, GetPeers, Ping, Query, Response
from magnetite.dht.peer_search import PeerSearch
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.responder import Responder
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.search import Search
from magnetite.dht.state_file import load_state, save_state
from magnetite.dht.statistics import NodeStatistics
from magnetite.dht.tokens import Tokens
from magnetite.dht.transactions import GIVE_UP, MAX_PENDING, Outcome
from magnetite.dht.upkeep import next_to_ask, refresh_target, refresh_targets
from magnetite.endpoint import Endpoint, decode_endpoint, is_contactable
from magnetite.errors import LocalProtocolError, NetworkError, QueryError, QueryTimeout, Reason
from magnetite.events import BootstrapFailed, BootstrapFinished, Emit, NodeStarted
from magnetite.ids import InfoHash, NodeId
from magnetite.net.base import DatagramSocket, Network
from magnetite.pacer import Pacer

log = logging.getLogger(__name__)

Router = tuple[str, int]

DEFAULT_ROUTERS: Final[tuple[Router, ...]] = (
    ("dht.libtorrent.org", 25401),
    ("dht.transmissionbt.com", 6881),
    ("router.bittorrent.com", 6881),
    ("router.silotis.us", 6881),  # IPv6
)
QUERY_RATE: Final = 250.0  # queries/s we send at most
QUERY_BURST: Final = 50
MAX_QUERY_RATE: Final = 0.8 * MAX_PENDING / GIVE_UP  # queries/s; dead nodes leave so many waiting for an answer
KNOWN_PATIENCE: Final = 0.5  # seconds the contacts we know have before routers are asked: of many the first is fast
MOST_SAVED: Final = 64  # of the saved contacts that are asked at the start
FIRST_RETRY: Final = 2.0  # seconds after a bootstrap that failed; doubled each time
LAST_RETRY: Final = 60.0
REJOIN: Final = 15 * 60.0  # seconds until that is repeated: the neighbourhood is what we answer for
TICK: Final = 1.0  # seconds between two rounds of upkeep while there is something to do
IDLE_TICK: Final = 5.0
UPKEEP_QUERIES: Final = 4  # in one round; a new node's table fills within two minutes
SAVE_INTERVAL: Final = 5 * 60.0  # seconds
MAX_STORED: Final = 100  # peers of our own store that a search begins with


@asynccontextmanager
async def open_node(
    network: Network,
    socket: DatagramSocket,
    *,
    rng: random.Random,
    emit: Emit,
    bootstrap: Sequence[Router] = DEFAULT_ROUTERS,
    state_path: Path | None = None,
    read_only: bool = False,
    query_rate: float = QUERY_RATE,
) -> AsyncIterator[DhtNode]:
    """A running DHT node on a bound UDP socket, which stays its owner's. Leaving the block stops it, its state saved.

    It is there at once and joins in the background: see `wait_usable`. `bootstrap` are names or addresses of nodes to
    begin with, asked if none of the contacts saved in `state_path` answers. A `read_only` node answers nobody and
    asks not to be remembered (BEP 43). Raises LocalProtocolError for a `query_rate` beyond MAX_QUERY_RATE.
    """
    if not 0 < query_rate <= MAX_QUERY_RATE:
        raise LocalProtocolError(f"{query_rate} queries/s; more than 0 and at most {MAX_QUERY_RATE:.0f} are possible")
    saved = load_state(state_path)
    node_id = saved.node_id if saved else NodeId(rng.getrandbits(160))
    node = DhtNode(network, socket, node_id, rng, emit, bootstrap, read_only=read_only, query_rate=query_rate)
    node._restore(saved.contacts if saved else ())
    try:
        async with background() as nursery:
            nursery.start_soon(node._receive)
            nursery.start_soon(node._stay_joined)
            nursery.start_soon(node._upkeep, state_path)
            yield node
    finally:
        save_state(state_path, node_id, node.table)


class DhtNode:
    """A node of the DHT of one address family. Made by `open_node`.

    Any number of searches may be under way; all queries together keep to the send budget, each search in its turn.
    """

    def __init__(
        self,
        network: Network,
        socket: DatagramSocket,
        node_id: NodeId,
        rng: random.Random,
        emit: Emit,
        bootstrap: Sequence[Router],
        *,
        read_only: bool,
        query_rate: float,
    ) -> None:
        now = trio.current_time()
        self.node_id = node_id
        self.local = socket.local
        self.family = family_of(socket.local)
        self.table = RoutingTable(node_id, socket.local.scope, emit)
        self._network = network
        self._socket = socket
        self._rng = rng
        self._emit = emit
        self._routers = bootstrap
        self._saved: list[Endpoint] = []  # contacts of the last run, the best first
        self._store = PeerStore(rng, now)
        responder = Responder(node_id, {self.family: self.table}, self._store, Tokens(rng, now), emit)
        self._exchange = Exchange(self.table, responder, rng, socket.send, read_only=read_only)
        self._pacer = Pacer(query_rate, QUERY_BURST)
        self._searches = 0
        self._usable = trio.Event()
        self._lost = trio.Event()

    # -- joining ------------------------------------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether a search can begin: somebody has answered, and named a contact. One router's answer is enough."""
        return self._usable.is_set()

    async def wait_usable(self) -> None:
        while not self._usable.is_set():
            await self._usable.wait()
        await trio.lowlevel.checkpoint()

    def add_contact_hint(self, endpoint: Endpoint) -> None:
        """Somebody said a node listens there, as in a peer's PORT message: it is pinged, and kept if it answers."""
        now = trio.current_time()
        if family_of(endpoint) is not self.family or not is_contactable(endpoint, self.local.scope):
            return
        if self._pacer.take(now):  # with searches waiting, a hint is not worth a turn
            self._exchange.ask(endpoint, Ping(), _ignore, now)

    # -- asking one node ----------------------------------------------------------------------------------------------

    async def ask(self, endpoint: Endpoint, query: Query) -> Response:
        """The answer of the node at `endpoint`. Raises QueryError if it refuses, QueryTimeout if it is silent."""
        await trio.sleep_until(self._pacer.reserve(trio.current_time()))
        outcomes: list[Outcome] = []
        answered = trio.Event()

        def on_outcome(outcome: Outcome, now: float) -> None:
            outcomes.append(outcome)
            answered.set()

        self._exchange.ask(endpoint, query, on_outcome, trio.current_time())
        await answered.wait()
        match outcomes:
            case [Response() as response]:
                return response
            case [ErrorMessage(_, code, text)]:
                raise QueryError(code, text)
        raise QueryTimeout(f"{endpoint} did not answer within {GIVE_UP:.0f} s")

    async def ping(self, endpoint: Endpoint) -> Contact:
        """Who is at `endpoint`. Raises as `ask`."""
        response = await self.ask(endpoint, Ping())
        return Contact(response.sender, endpoint)

    # -- searching ----------------------------------------------------------------------------------------------------

    async def find_node(self, target: NodeId) -> list[Contact]:
        """The K living nodes closest to `target`, the closest first. Waits until the node is usable."""
        async with self._searching(FindNode(target)) as search:
            await search.finished()
            return search.closest

    @asynccontextmanager
    async def get_peers(self, info_hash: InfoHash) -> AsyncIterator[PeerSearch]:
        """A search for the peers of a torrent: `async for endpoint in search` gives each once, as it is found.

        Waits until the node is usable. Leaving the block ends the search.
        """
        async with self._searching(GetPeers(info_hash)) as search:
            yield search

    async def announce(self, info_hash: InfoHash, port: int, implied_port: bool = False) -> int:
        """Tell the K nodes closest to `info_hash` that we have a peer of it at `port`; how many took note.

        With `implied_port` they note the port they see our datagrams come from (BEP 5, announce_peer).
        """
        async with self.get_peers(info_hash) as search:
            return await search.announce(port, implied_port)

    # -- numbers ------------------------------------------------------------------------------------------------------

    def statistics(self) -> NodeStatistics:
        return NodeStatistics(
            contacts=len(self.table),
            verified=self.table.verified,
            pending=self._exchange.pending,
            searches=self._searches,
            info_hashes=self._store.info_hashes,
            peers=self._store.peers,
            stall=self._exchange.round_trips.stall,
            counters=self._exchange.counters,
        )

    # -- tasks --------------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            datagrams = await self._socket.receive_batch()
            now = trio.current_time()
            for data, source in datagrams:
                self._exchange.receive(data, source, now)
            if not self._usable.is_set():
                self._note_if_usable(now)

    async def _upkeep(self, state_path: Path | None) -> None:
        save_at = trio.current_time() + SAVE_INTERVAL
        while True:
            busy = self._exchange.pending > 0 or next_to_ask(self.table, trio.current_time()) is not None
            await trio.sleep((TICK if busy else IDLE_TICK) * self._rng.uniform(0.9, 1.1))
            now = trio.current_time()
            self._exchange.expire(now)
            self._refresh(now)
            if self._usable.is_set() and len(self.table) == 0:
                self._usable = trio.Event()
                self._lost.set()
            if now >= save_at:
                save_at = now + SAVE_INTERVAL
                save_state(state_path, self.node_id, self.table)

    async def _stay_joined(self) -> None:
        retry = FIRST_RETRY
        while True:
            if self.is_usable or await self._bootstrap(retry):
                retry = FIRST_RETRY
                for target in refresh_targets(self.table, self._rng):
                    await self.find_node(target)
                with trio.move_on_after(REJOIN):
                    await self._lost.wait()
            else:
                with trio.move_on_after(retry):
                    await self._usable.wait()
                retry = min(2 * retry, LAST_RETRY)

    # -- within -------------------------------------------------------------------------------------------------------

    def _restore(self, contacts: Sequence[Contact]) -> None:
        """Remember whom to ask first. Only who answers gets into the table: after a month most of them are gone, and
        searches that began with them would find nobody."""
        self._saved = [each.endpoint for each in contacts if is_contactable(each.endpoint, self.local.scope)][
            :MOST_SAVED
        ]
        self._emit(NodeStarted(trio.current_time(), self.local, self.node_id, len(self._saved)))

    def _note_if_usable(self, now: float) -> None:
        if self._exchange.counters.responses_received and len(self.table):
            self._lost = trio.Event()
            self._usable.set()
            self._emit(BootstrapFinished(now, len(self.table)))

    async def _bootstrap(self, retry: float) -> bool:
        """Try to become usable: by the contacts we know, and, if they are silent, by the routers."""
        now = trio.current_time()
        known = dict.fromkeys(each.endpoint for each in self.table.start_of_lookup(self.node_id, START))
        known.update(dict.fromkeys(self._saved))
        if not self._routers and not known:
            await self._usable.wait()  # a first node: others will find it
            return True
        for endpoint in known:
            self._ask_for_contacts(endpoint, now)
        if known:
            with trio.move_on_after(KNOWN_PATIENCE):
                await self._usable.wait()
        if not self.is_usable:
            await self._ask_routers()
        if not self.is_usable:
            asked = len(known) + len(self._routers)
            self._emit(BootstrapFailed(trio.current_time(), asked, retry, Reason.NO_BOOTSTRAP))
        return self.is_usable

    async def _ask_routers(self) -> None:
        """Resolve and ask all at once; the first answer will do."""
        with trio.move_on_after(GIVE_UP):
            async with trio.open_nursery() as nursery:
                for host, port in self._routers:
                    nursery.start_soon(self._ask_router, host, port)
                await self._usable.wait()
                nursery.cancel_scope.cancel()

    async def _ask_router(self, host: str, port: int) -> None:
        try:
            endpoints = await self._network.resolve(host, port)
        except NetworkError as error:
            log.info("cannot bootstrap from %s: %s", host, error)
            return
        for endpoint in endpoints:
            if family_of(endpoint) is self.family:
                on_outcome = partial(self._take_in_router, endpoint)
                query = FindNode(self.node_id)
                self._exchange.ask(endpoint, query, on_outcome, trio.current_time(), may_join=False)

    def _take_in_router(self, router: Endpoint, outcome: Outcome, now: float) -> None:
        """Routers serve everybody, and are "not automatically" to be kept (BEP 5); but where one knows few others the
        DHT is so small that every node counts."""
        self._take_in(outcome, now)
        if isinstance(outcome, Response) and len(outcome.contacts(self.family)) < K:
            self.table.on_named(Contact(outcome.sender, router), now)

    def _refresh(self, now: float) -> None:
        """Ask the contacts that are due; upkeep takes its turns at once, and the searches' turns come later for it."""
        for _ in range(UPKEEP_QUERIES):
            contact = next_to_ask(self.table, now)
            if contact is None:
                return
            self._pacer.reserve(now)
            query = FindNode(refresh_target(self.table, contact, self._rng))
            self._exchange.ask(contact.endpoint, query, self._take_in, now)

    def _ask_for_contacts(self, endpoint: Endpoint, now: float) -> None:
        self._pacer.reserve(now)
        self._exchange.ask(endpoint, FindNode(self.node_id), self._take_in, now)

    def _take_in(self, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Response):
            for contact in outcome.contacts(self.family)[:MAX_NAMED]:
                self.table.on_named(contact, now)

    def _stored(self, info_hash: InfoHash) -> list[Endpoint]:
        """Peers that announced themselves to us."""
        return [
            decode_endpoint(compact)
            for compact in self._store.sample(info_hash, self.family, MAX_STORED, trio.current_time())
        ]

    @asynccontextmanager
    async def _searching(self, query: FindNode | GetPeers) -> AsyncIterator[PeerSearch]:
        await self.wait_usable()
        target = query.info_hash if isinstance(query, GetPeers) else query.target
        lookup = Lookup(
            target,
            self.node_id,
            self.table.start_of_lookup(target, START),
            family=self.family,
            scope=self.local.scope,
            round_trips=self._exchange.round_trips,
        )
        search = Search(lookup, query, self._exchange, self._pacer, self._emit)
        self._searches += 1
        try:
            if isinstance(query, GetPeers):  # we may be among the closest ourselves
                search.found += lookup.add_peers(self._stored(query.info_hash))
            search.start(trio.current_time())
            yield PeerSearch(search, self.ask, self._emit)
        finally:
            self._searches -= 1
            search.finish(trio.current_time())


def _ignore(outcome: Outcome, now: float) -> None:
    """The routing table has heard it already."""
