"""The world of a study: hosts on a virtual network, and production clients and nodes on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

import trio

from magnetite.background import background
from magnetite.client import Client
from magnetite.dht.contact import Contact
from magnetite.dht.node import DhtNode
from magnetite.dht.security import make_id
from magnetite.download import Download
from magnetite.endpoint import Address, Endpoint
from magnetite.events import Event
from magnetite.hub import Observer
from magnetite.ids import InfoHash, NodeId
from magnetite.opening import open_client, open_dht_node
from magnetite.simnet import Fabric, Host, Link, VirtualClock
from magnetite.simnet.disk import Disk
from magnetite.simnet.faults import Rule
from magnetite.simnet.latency import Latency, coordinates
from magnetite.storage.memory import MemoryStorage
from magnetite.study.addresses import Addresses
from magnetite.study.content import Content
from magnetite.study.residents import Capacity, MakeResident, Population, Resident, eight
from magnetite.study.trace import Noted, Plain, Row, Trace
from magnetite.torrent.magnet import MagnetLink, parse_magnet
from magnetite.torrent.metainfo import Metainfo

T = TypeVar("T")

PORT: Final = 6881  # of everybody, TCP and UDP
NAMED: Final = 50  # peers that a newcomer is told of where there is no DHT
ROUTERS: Final = 3
UNLIMITED: Final = Link()


class World:
    """All that a study's function needs; made by `open_world`, ended with its block.

    Every kind of chance has a stream of its own, by name: what one draws does not shift the others. Time is virtual,
    in seconds since the start; `trio.sleep` and cancel scopes go by it, too.
    """

    def __init__(self, number: int, clock: VirtualClock, trace: Trace, nursery: trio.Nursery) -> None:
        self.number: Final = number  # the run's seed
        self.clock: Final = clock
        self.trace: Final = trace
        self.rows: Final[list[Row]] = []
        self._streams: dict[str, Random] = {}
        self.fabric: Final = Fabric(clock, self.rng("network"), coordinates(number))
        self.routers: list[Address] = []  # nodes of the DHT by which others join; none, no DHT
        self.population: Population | None = None  # its residents
        self._nursery = nursery
        self._contents: dict[InfoHash, Content] = {}
        self._disks: dict[Host, Disk] = {}
        self._members: dict[InfoHash, list[Endpoint]] = {}
        self._addresses = Addresses(self.rng("addresses"))

    # -- time and chance ---------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self.clock.now

    async def at(self, time: float) -> None:
        """Wait until it is `time` seconds since the start; at once where that has passed."""
        await trio.sleep_until(time)

    def rng(self, purpose: str) -> Random:
        """The stream of chance for a purpose, such as "arrivals": the same object whenever it is asked for."""
        stream = self._streams.get(purpose)
        if stream is None:
            stream = self._streams[purpose] = Random(f"{self.number}/{purpose}")
        return stream

    # -- what is measured --------------------------------------------------------------------------------------------

    def record(self, **row: Plain) -> None:
        """One row of the study's table. Values are plain: numbers, text, truth or None."""
        self.rows.append(row)
        self.trace.add_row(row)

    def note(self, what: str, host: Host | None = None, **values: Plain) -> None:
        """An event of the study's own for the trace."""
        self.trace.add(host.ip if host else "", Noted(self.now, what, values))

    # -- the network -------------------------------------------------------------------------------------------------

    @property
    def latency(self) -> Latency:
        """Seconds from address to address, one way; may be set. See `simnet.latency`."""
        return self.fabric.latency

    @latency.setter
    def latency(self, latency: Latency) -> None:
        self.fabric.latency = latency

    def hosts(self, count: int, link: Link = UNLIMITED, **options: Any) -> list[Host]:
        """New hosts on lines of that kind, at public addresses each in a /24 of its own.

        `options` go to `Fabric.host`, such as `nat`: the public address is then that of a router before the host.
        """
        return [self.fabric.host(self._addresses.new(), link, **options) for _ in range(count)]

    def host(self, link: Link = UNLIMITED, *, ip: str | None = None, **options: Any) -> Host:
        """One new host, at `ip` if that is given. Raises ValueError if the address is taken."""
        return self.fabric.host(ip or self._addresses.new(), link, **options)

    @contextmanager
    def fault(self, *rules: Rule) -> Iterator[None]:
        """While the block lasts these rules decide what happens to packets; see `simnet.faults`."""
        for rule in rules:
            self.fabric.faults.add(rule)
        try:
            yield
        finally:
            for rule in rules:
                self.fabric.faults.remove(rule)

    # -- who lives in it ---------------------------------------------------------------------------------------------

    async def keep(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter an asynchronous context, and leave it when the world ends: `await world.keep(world.client(host))`."""

        async def hold(task_status: trio.TaskStatus[T] = trio.TASK_STATUS_IGNORED) -> None:
            async with manager as value:
                task_status.started(value)
                await trio.sleep_forever()

        entered: T = await self._nursery.start(hold)
        return entered

    def client(self, host: Host, **options: Any) -> AbstractAsyncContextManager[Client]:
        """A production client on a host; `options` are those of `open_client`, such as `make_choker`.

        It takes part in the DHT if there is one, and keeps content on the host's own disk, in memory.
        """
        observe = options.pop("observe", None)
        defaults: Mapping[str, Any] = {
            "port": PORT,
            "bind": _bind(host),
            "dht": bool(self.routers),
            "bootstrap": self.routers,
            "rng": self.rng(f"client {host.ip}"),
            "storage": self.disk(host).open,
        }
        return open_client(**{**defaults, **options}, network=host, observe=self._observer(host, observe))

    def start(self, async_fn: Callable[..., Awaitable[object]], *args: object) -> None:
        """Run something beside the study until the world ends, such as a loop that samples."""
        self._nursery.start_soon(async_fn, *args)

    @asynccontextmanager
    async def node(self, host: Host, *, traced: bool = True, **options: Any) -> AsyncIterator[DhtNode]:
        """A production DHT node on a host; `options` are those of `open_dht_node`. Its events need not be `traced`."""
        observe = options.pop("observe", None)
        defaults: Mapping[str, Any] = {
            "port": PORT,
            "bind": _bind(host),
            "bootstrap": self.routers,
            "rng": self.rng(f"node {host.ip}"),
        }
        observe = self._observer(host, observe) if traced else observe
        async with open_dht_node(**{**defaults, **options}, network=host, observe=observe) as node:
            yield node

    async def dht(
        self,
        count: int,
        link: Link = UNLIMITED,
        *,
        dead: float = 0.0,
        capacity: Capacity = eight,
        make: MakeResident = Resident,
    ) -> Population:
        """A DHT that has been there for long, of `count` residents; clients and nodes then join by three of them.

        `dead` is the share of contacts in their tables that nobody answers for, `capacity` how many contacts a bucket
        has. Where all are to join and keep up for real, see `join_dht`.
        """
        population = self.population = Population(self.rng("dht"), self.latency, capacity)
        await self.settle(self.hosts(count, link), make)
        missing = round(count * dead / (1 - dead))
        gone = [self._addresses.new() for _ in range(missing)]
        population.add(Contact(make_id(ip, self.rng("ids")), Endpoint(ip, PORT)) for ip in gone)
        self.routers = [resident.contact.endpoint for resident in population.residents[:ROUTERS]]
        return population

    async def settle(
        self, hosts: Iterable[Host], make: MakeResident = Resident, new_id: Callable[[str], NodeId] | None = None
    ) -> list[Resident]:
        """More residents of the DHT, known to those who are asked for the first time from now on.

        `new_id` says which id a node has at its address: one that is valid there (BEP 42), if it is not given.
        """
        assert self.population is not None, "there is no DHT: await world.dht(n) first"
        newcomers: list[Resident] = []
        for host in hosts:
            node_id = new_id(host.ip) if new_id else make_id(host.ip, self.rng("ids"))
            resident = make(self.population, Contact(node_id, Endpoint(host.ip, PORT)))
            resident.serve(await host.open_udp(resident.contact.endpoint))
            newcomers.append(resident)
        self.population.residents.extend(newcomers)
        self.population.add(resident.contact for resident in newcomers)
        return newcomers

    async def join_dht(
        self, count: int, link: Link = UNLIMITED, *, settle: float = 60.0, traced: bool = False, **options: Any
    ) -> list[DhtNode]:
        """A DHT of `count` production nodes that join one after the other, and `settle` seconds to get acquainted.

        `options` are those of `open_dht_node`. Each costs some milliseconds of the processor a minute, for ever. Their
        events are not part of the trace, unless they are `traced`: there are hundreds for each.
        """
        nodes: list[DhtNode] = []
        for host in self.hosts(count, link):
            nodes.append(await self.keep(self.node(host, traced=traced, **options)))
            if len(nodes) <= ROUTERS:
                self.routers.append(nodes[-1].local)
        await trio.sleep(settle)
        return nodes

    # -- torrents ----------------------------------------------------------------------------------------------------

    def torrent(self, size: int, *, piece_length: int | None = None, by_reference: bool = False) -> str:
        """Make up a torrent of `size` bytes; its magnet link. `by_reference` is cheaper: see `Content`."""
        content = Content(size, self.rng("content"), piece_length=piece_length, by_reference=by_reference)
        self._contents[content.metainfo.info_hash] = content
        return str(MagnetLink(content.metainfo.info_hash, content.metainfo.name))

    def content(self, magnet: str) -> Content:
        """A torrent of this world and its bytes."""
        return self._contents[parse_magnet(magnet).info_hash]

    def metainfo(self, magnet: str) -> Metainfo:
        """Its metadata, for who need not fetch it from others."""
        return self.content(magnet).metainfo

    async def seed(
        self,
        size: int,
        link: Link = UNLIMITED,
        *,
        piece_length: int | None = None,
        by_reference: bool = False,
        **options: Any,
    ) -> str:
        """A new torrent of `size` bytes with one seed, on a host of its own until the world ends; its magnet link.

        `options` are those of `open_client`.
        """
        magnet = self.torrent(size, piece_length=piece_length, by_reference=by_reference)
        await self.share(self.host(link), magnet, **options)
        return magnet

    async def share(self, host: Host, magnet: str, *, super_seed: bool = False, **options: Any) -> Download:
        """Have a host seed a torrent of this world from now on; it has all of it."""
        content = self.content(magnet)
        self.disk(host).put(content.metainfo.info_hash, content.storage(is_complete=True))
        download = await self.download(host, magnet, super_seed=super_seed, knows_metainfo=True, **options)
        await download.completed()
        return download

    async def download(
        self,
        host: Host,
        magnet: str,
        *,
        knows_metainfo: bool = False,
        super_seed: bool = False,
        **options: Any,
    ) -> Download:
        """Have a host open a magnet link, and stay until the world ends; `options` are those of `open_client`.

        Without a DHT it is told of `peers`. For one who leaves earlier write
        `async with world.client(host) as client: await client.add(magnet, peers=world.peers(magnet, host))`.
        """
        client = await self.keep(self.client(host, **options))
        torrent = self.metainfo(magnet) if knows_metainfo else magnet
        return await client.add(torrent, peers=self.peers(magnet, host), super_seed=super_seed)

    def peers(self, magnet: str, newcomer: Host) -> list[Address]:
        """Up to 50 of those who asked this before, by chance, and nobody where there is a DHT to ask.

        It stands for a way to find peers that never fails, as an upper bound.
        """
        members = self._members.setdefault(parse_magnet(magnet).info_hash, [])
        if self.routers:
            return []
        others = [endpoint for endpoint in members if endpoint.ip != newcomer.public_ip]
        if len(others) == len(members):
            members.append(Endpoint(newcomer.public_ip, PORT))
        return list(self.rng("rendezvous").sample(others, min(NAMED, len(others))))

    def copies(self, magnet: str) -> list[int]:
        """How many disks each piece of a torrent is on, those of hosts that are down or gone included."""
        return self.content(magnet).copies()

    def interest(self, magnet: str) -> float | None:
        """In what share of pairs of downloaders one wants something of the other; see `Content.interest`."""
        return self.content(magnet).interest()

    def disk(self, host: Host) -> Disk:
        """What the host keeps of torrents while its client is restarted; see `simnet.disk` and `simnet.incidents`."""
        return self._disks.setdefault(host, Disk(self._new_storage))

    # -- within ------------------------------------------------------------------------------------------------------

    def _observer(self, host: Host, also: Observer | None) -> Observer:
        trace: Observer = partial(self.trace.add, host.ip)
        if also is None:
            return trace

        def observe(event: Event) -> None:
            trace(event)
            also(event)

        return observe

    def _new_storage(self, metainfo: Metainfo) -> MemoryStorage:
        content = self._contents.get(metainfo.info_hash)
        return content.storage() if content else MemoryStorage(metainfo)


@asynccontextmanager
async def open_world(number: int, clock: VirtualClock, trace: Trace | None = None) -> AsyncIterator[World]:
    """An empty world under that clock, of the run whose seed is `number`; it ends with the block, and all in it."""
    async with background() as nursery:
        yield World(number, clock, trace or Trace(), nursery)


def _bind(host: Host) -> str:
    """What a client there would bind to: at home, where the own address is not the public one, any."""
    return host.ip if host.nat is None else "0.0.0.0"
