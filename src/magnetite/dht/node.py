"""The DHT node: what its user asks of it, and the way in. Its tasks are those of its presences."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio

from magnetite.background import background
from magnetite.dht.blocklist import Blocklist
from magnetite.dht.census import Census
from magnetite.dht.commons import Commons
from magnetite.dht.contact import Contact, family_of
from magnetite.dht.crawl import Crawl
from magnetite.dht.crawler import CRAWL_RATE, Crawler, open_crawl
from magnetite.dht.item_store import ItemStore
from magnetite.dht.limiter import AnswerLimiter, AnswerLimits
from magnetite.dht.messages import (
    ErrorMessage,
    FindNode,
    GetPeers,
    Ping,
    Query,
    Response,
    SampleInfohashes,
)
from magnetite.dht.network_size import ENOUGH
from magnetite.dht.own_ids import OwnIds
from magnetite.dht.peer_search import PeerSearch
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.presence import Presence, ignore
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.dht.search import Collect, SearchQuery
from magnetite.dht.send_budget import ADDRESS_RATE, QUERY_RATE, SendBudget
from magnetite.dht.state_file import load_state, save_state
from magnetite.dht.statistics import Counters, NodeStatistics
from magnetite.dht.stored_items import StoredItems
from magnetite.dht.tokens import Tokens
from magnetite.dht.transactions import GIVE_UP, MAX_PENDING, Outcome
from magnetite.endpoint import Address, Endpoint, decode_endpoint
from magnetite.errors import LocalProtocolError, QueryError, QueryTimeout, Reason
from magnetite.events import Emit
from magnetite.ids import InfoHash, NodeId
from magnetite.net.base import DatagramSocket, Network

DEFAULT_ROUTERS: Final[tuple[Address, ...]] = (
    ("dht.libtorrent.org", 25401),
    ("dht.transmissionbt.com", 6881),
    ("router.bittorrent.com", 6881),
    ("router.silotis.us", 6881),  # IPv6
)
MAX_QUERY_RATE: Final = 0.8 * MAX_PENDING / GIVE_UP  # queries/s; dead nodes leave so many waiting for an answer
SAVE_INTERVAL: Final = 2 * 60.0  # seconds
SEARCHES_AT_ONCE: Final = 64  # that have no peer yet; more only share the processor, and all are late
MAX_STORED: Final = 100  # peers of our own store that a search begins with


@asynccontextmanager
async def open_node(
    network: Network,
    sockets: Sequence[DatagramSocket],
    *,
    rng: random.Random,
    emit: Emit,
    bootstrap: Sequence[Address] = DEFAULT_ROUTERS,
    state_path: Path | None = None,
    read_only: bool | None = None,
    query_rate: float = QUERY_RATE,
    address_rate: float = ADDRESS_RATE,
    limits: AnswerLimits = AnswerLimits(),  # noqa: B008  # a value
    blocklist: Blocklist = Blocklist(),  # noqa: B008  # a value
) -> AsyncIterator[DhtNode]:
    """A running DHT node on bound UDP sockets, which stay their owner's. Leaving the block stops it, its state saved.

    It is there at once and joins in the background: see `wait_usable`. Each socket has an id and a routing table of its
    own; IPv4 and IPv6 are two DHTs (BEP 32, 45). `bootstrap` are names or addresses of nodes to begin with, asked if
    none of the contacts saved in `state_path` answers. A `read_only` node answers nobody and asks not to be remembered
    (BEP 43); None leaves that to whether strangers reach us. At most `query_rate` queries/s are sent, of them
    `address_rate` to addresses that are new; `limits` are those of our answers. Raises LocalProtocolError for a
    `query_rate` beyond MAX_QUERY_RATE.
    """
    if not 0 < query_rate <= MAX_QUERY_RATE:
        raise LocalProtocolError(f"{query_rate} queries/s; more than 0 and at most {MAX_QUERY_RATE:.0f} are possible")
    saved = load_state(state_path)
    now = trio.current_time()
    commons = Commons(
        network=network,
        routers=bootstrap,
        read_only=read_only,
        own_ids=OwnIds(saved.node_ids, rng),
        store=PeerStore(rng, now),
        items=ItemStore(),
        tokens=Tokens(rng, now),
        limiter=AnswerLimiter(limits),
        budget=SendBudget(query_rate, address_rate),
        counters=Counters(),
        rng=rng,
        emit=emit,
    )
    contacts = [contact.endpoint for contact in saved.contacts]
    node = DhtNode(commons, [Presence(socket, commons, contacts) for socket in sockets])
    node.block(blocklist)
    async with node.at_work(state_path):
        yield node


class DhtNode:
    """A node of the DHT, at one or several socket addresses. Made by `open_node`.

    Any number of searches may be under way; all queries together keep to the send budget, each search in its turn.
    `items` reads and writes what nodes store for anybody (BEP 44).
    """

    def __init__(self, commons: Commons, presences: Sequence[Presence]) -> None:
        self._commons = commons
        self._presences = presences
        self.items: Final = StoredItems(commons.items, self._searching, commons.rng)
        self._entrance = trio.Semaphore(SEARCHES_AT_ONCE)
        for one in presences:
            for other in presences:
                one.tables.setdefault(other.family, other.table)

    @asynccontextmanager
    async def at_work(self, state_path: Path | None) -> AsyncIterator[None]:
        """As long as the block lasts the node takes part; its state is saved at the end. For `open_node`."""
        try:
            async with background() as nursery:
                for presence in self._presences:
                    nursery.start_soon(presence.receive)
                    nursery.start_soon(presence.keep_up)
                    nursery.start_soon(presence.joining.stay_joined, partial(self._get_acquainted, presence))
                if state_path is not None:
                    nursery.start_soon(self._save_forever, state_path)
                yield
        finally:
            save_state(state_path, *self._state())

    @property
    def local(self) -> Endpoint:
        """The first socket's address."""
        return self._presences[0].local

    @property
    def node_id(self) -> NodeId:
        """The id at the first socket's address; it may change with the address others see (BEP 42)."""
        return self._presences[0].table.own_id

    # -- joining ------------------------------------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether a search can begin: somebody has answered, and named a contact. One router's answer is enough."""
        return any(presence.joining.is_usable for presence in self._presences)

    async def wait_usable(self) -> None:
        if not self.is_usable:
            async with trio.open_nursery() as nursery:

                async def wait(presence: Presence) -> None:
                    await presence.joining.wait_usable()
                    nursery.cancel_scope.cancel()

                for presence in self._presences:
                    nursery.start_soon(wait, presence)
        await trio.lowlevel.checkpoint()

    @property
    def families(self) -> int:
        """How many DHTs a search that begins now goes through: IPv4's, IPv6's or both (BEP 32)."""
        return len({presence.family for presence in self._presences if presence.joining.is_usable})

    async def wait_wider(self, families: int) -> None:
        """Returns when a search goes through more DHTs than `families`; perhaps never."""
        async with trio.open_nursery() as nursery:

            async def wait(presence: Presence) -> None:
                await presence.joining.wait_usable()
                if self.families > families:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(trio.sleep_forever)
            for presence in self._presences:
                nursery.start_soon(wait, presence)

    def add_contact_hint(self, endpoint: Endpoint) -> None:
        """Somebody said a node listens there, as in a peer's PORT message: it is pinged, and kept if it answers."""
        now = trio.current_time()
        for presence in self._presences:
            # With searches waiting, a hint is not worth a turn.
            if presence.may_contact(endpoint) and self._commons.budget.take(endpoint, now):
                presence.exchange.ask(endpoint, Ping(), ignore, now)
                return

    def block(self, blocklist: Blocklist) -> None:
        """From now on have nothing to do with the addresses on this list, and nothing else on the one before."""

        def is_blocked(contact: Contact) -> bool:
            return blocklist.blocks(contact.endpoint.ip)

        for presence in self._presences:
            presence.exchange.blocklist = blocklist
            presence.table.remove_where(is_blocked, Reason.BANNED, trio.current_time())

    # -- asking one node ----------------------------------------------------------------------------------------------

    async def ask(self, endpoint: Endpoint, query: Query) -> Response:
        """The answer of the node at `endpoint`. Raises QueryError if it refuses, QueryTimeout if it is silent.

        Raises LocalProtocolError where we have no socket of that family.
        """
        presence = self._presence_for(endpoint)
        await trio.sleep_until(self._commons.budget.reserve(endpoint, trio.current_time()))
        outcomes: list[Outcome] = []
        answered = trio.Event()

        def on_outcome(outcome: Outcome, now: float) -> None:
            outcomes.append(outcome)
            answered.set()

        presence.exchange.ask(endpoint, query, on_outcome, trio.current_time())
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
        """The K living nodes closest to `target`, of each family, the closest first. Waits until the node is usable."""
        async with self._searching(FindNode(target)) as search:
            search.be_thorough()
            await search.finished()
            return search.closest

    @asynccontextmanager
    async def get_peers(self, info_hash: InfoHash) -> AsyncIterator[PeerSearch]:
        """A search for the peers of a torrent: `async for endpoint in search` gives each once, as it is found.

        Waits until the node is usable, and until few enough others still look for a first peer: of many that begin
        together the first are done before the last begin. Leaving the block ends the search.
        """
        await self.wait_usable()
        await self._entrance.acquire()
        leave = _once(self._entrance.release)
        try:
            async with self._searching(GetPeers(info_hash), on_settled=leave) as search:
                yield search
        finally:
            leave()

    async def announce(self, info_hash: InfoHash, port: int, implied_port: bool = False, is_seed: bool = False) -> int:
        """Tell the K nodes closest to `info_hash` that we have a peer of it at `port`; how many took note.

        With `implied_port` they note the port they see our datagrams come from (BEP 5, announce_peer); `is_seed` says
        that the peer has all of it (BEP 33).
        """
        async with self.get_peers(info_hash) as search:
            return await search.announce(port, implied_port, is_seed)

    async def scrape(self, info_hash: InfoHash) -> Census:
        """Who seeds and who downloads a torrent, as sets that can be counted (BEP 33).

        `census.result.seeds.estimate()` is a number; `census.nodes` told of peers.
        """
        census = Census()
        async with self._searching(GetPeers(info_hash, scrape=True), census.take_in) as search:
            search.be_thorough()
            await search.finished()
        return census

    async def sample(self, endpoint: Endpoint, target: NodeId) -> Response:
        """Some of the info-hashes a node stores, and its contacts near `target` (BEP 51). Raises as `ask`.

        `response.samples` is None of a node that knows nothing of samples.
        """
        return await self.ask(endpoint, SampleInfohashes(target))

    @asynccontextmanager
    async def crawl(self, rate: float = CRAWL_RATE) -> AsyncIterator[Crawler]:
        """Ask node after node, `rate` a second, for its info-hashes: `async for info_hash in crawl` (BEP 51).

        Waits until the node is usable, and for a few lookups that tell how large the DHT is. Ends when everybody that
        was named has been asked; leaving the block ends it, too.
        """
        for _ in range(ENOUGH):
            await self.find_node(NodeId(self._commons.rng.getrandbits(160)))
        crawl = Crawl(self._commons.rng, self._may_contact)
        crawl.add((entry.contact for entry in self.contacts()), trio.current_time())
        async with open_crawl(crawl, self.ask, rate) as crawler:
            yield crawler

    # -- numbers ------------------------------------------------------------------------------------------------------

    def statistics(self) -> NodeStatistics:
        now = trio.current_time()
        return NodeStatistics(
            addresses=tuple(presence.statistics(now) for presence in self._presences),
            searches=sum(presence.searches for presence in self._presences),
            info_hashes=self._commons.store.info_hashes,
            peers=self._commons.store.peers,
            items=len(self._commons.items),
            counters=self._commons.counters,
        )

    def contacts(self) -> list[RoutingEntry]:
        """The entries of all routing tables."""
        return [entry for presence in self._presences for entry in presence.table]

    # -- tasks --------------------------------------------------------------------------------------------------------

    async def _save_forever(self, state_path: Path) -> None:
        while True:
            await trio.sleep(SAVE_INTERVAL)
            await trio.to_thread.run_sync(save_state, state_path, *self._state())  # an fsync may take seconds

    async def _get_acquainted(self, presence: Presence, target: NodeId) -> None:
        with presence.searching(FindNode(target)) as search:
            search.lookup.is_patient = True
            search.start(trio.current_time())
            await PeerSearch([search], self.ask, self._commons.emit).finished()

    # -- within -------------------------------------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, NodeId], list[Contact]]:
        return self._commons.own_ids.by_ip, [each for presence in self._presences for each in presence.table.best()]

    def _may_contact(self, endpoint: Endpoint) -> bool:
        if any(endpoint in (presence.local, presence.external) for presence in self._presences):
            return False  # others name us, too
        return any(presence.may_contact(endpoint) for presence in self._presences)

    def _presence_for(self, endpoint: Endpoint) -> Presence:
        for presence in self._presences:
            if presence.family is family_of(endpoint):
                return presence
        raise LocalProtocolError(f"{endpoint}: this node has no socket of that family")

    @asynccontextmanager
    async def _searching(
        self, query: SearchQuery, collect: Collect | None = None, on_settled: Callable[[], None] | None = None
    ) -> AsyncIterator[PeerSearch]:
        """A search in each family's DHT that we take part in, from the first socket that is usable (BEP 45)."""
        await self.wait_usable()
        chosen: dict[object, Presence] = {}
        for presence in self._presences:
            if presence.joining.is_usable:
                chosen.setdefault(presence.family, presence)
        with ExitStack() as stack:
            searches = [stack.enter_context(presence.searching(query, collect)) for presence in chosen.values()]
            for presence, search in zip(chosen.values(), searches, strict=True):
                if isinstance(query, GetPeers):  # we may be among the closest ourselves
                    search.found += search.lookup.add_peers(self._stored(query.info_hash, presence))
                if on_settled is not None:
                    search.on_settled = on_settled
                search.start(trio.current_time())
            yield PeerSearch(searches, self.ask, self._commons.emit)

    def _stored(self, info_hash: InfoHash, presence: Presence) -> list[Endpoint]:
        """Peers that announced themselves to us."""
        return [
            decode_endpoint(compact)
            for compact in self._commons.store.sample(info_hash, presence.family, MAX_STORED, trio.current_time())
        ]


def _once(act: Callable[[], None]) -> Callable[[], None]:
    """`act`, but a second call does nothing."""
    calls = iter([act])
    return lambda: next(calls, _nothing)()


def _nothing() -> None: ...
