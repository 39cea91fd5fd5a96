"""How fast, how complete and how costly lookups are, and what Sybils do to them (B1 to B3, D1), in virtual time.

Beside magnetite's figures stand those of a plain lookup in the same world: 8 contacts to begin with, 3 queries under
way, fixed timeouts of 2 s. Run it by `python -m tests.benchmarks.lookups`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from statistics import mean, median, quantiles
from time import process_time
from typing import Final, TypeAlias

import trio

from magnetite import simnet
from magnetite.dht.candidates import State
from magnetite.dht.contact import Contact, Family, K
from magnetite.dht.exchange import Exchange
from magnetite.dht.experience import Experience
from magnetite.dht.item_store import ItemStore
from magnetite.dht.limiter import AnswerLimiter
from magnetite.dht.lookup import Known, Lookup, begin_lookup
from magnetite.dht.messages import AnnouncePeer, GetPeers
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.reachability import Reachability
from magnetite.dht.responder import Responder
from magnetite.dht.round_trips import RoundTrips
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.search import Search
from magnetite.dht.send_budget import SendBudget
from magnetite.dht.shortcut import Shortcut
from magnetite.dht.statistics import Counters
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import Endpoint, Scope
from magnetite.ids import InfoHash, NodeId
from magnetite.simnet.faults import loss
from tests.benchmarks.lookup_world import PORT, World, ignore

PLAIN_ALPHA: Final = 3
PLAIN_TIMEOUT: Final = 2.0  # seconds
LOSS: Final = 0.02
DEAD: Final = 0.5  # of all nodes somebody knows
NODES: Final = 3_000
LOOKUPS: Final = 400
SYBILS: Final = 20
TARGETS: Final = 40  # that are attacked, each with Sybils of its own
SEARCHERS: Final = 8  # of each attacked target
WARM_UP: Final = 10  # searches of a node before it is attacked: it must know how large the network is
PEER: Final = Endpoint("9.9.9.9", 6881)


@dataclass(slots=True)
class Run:
    """What one lookup did."""

    first: float | None  # seconds to the first peer
    time: float
    asked: int
    answered: int
    hops: int
    recall: float  # of the K closest live nodes


class PlainLookup(Lookup):
    """What most clients do: start with the K closest, ask three at a time, each once, and wait 2 s for anybody."""

    def __init__(self, target: int, table: RoutingTable, round_trips: RoundTrips, now: float) -> None:
        start = [Known(entry.contact, entry.round_trip) for entry in table.nearest(target, K)]
        experience = Experience()
        super().__init__(
            target,
            table.own_id,
            start,
            family=Family.IPV4,
            scope=Scope.GLOBAL,
            round_trips=round_trips,
            experience=experience,
            now=now,
        )

    def next_contact(self, now: float) -> Contact | None:
        if self._slots_taken(now) >= PLAIN_ALPHA:
            return None
        relevant = self._candidates.relevant()
        return next((each.contact for each in relevant if each.state is State.NEW), None)

    def is_finished(self, now: float) -> bool:
        return not any(
            each.state is State.NEW or (each.state is State.ASKED and each.asked_at + PLAIN_TIMEOUT > now)
            for each in self._candidates.relevant()
        )


class PlainRoundTrips(RoundTrips):
    @property
    def stall(self) -> float:
        return PLAIN_TIMEOUT

    def stall_of(self, round_trip: float) -> float:
        return PLAIN_TIMEOUT


class Client:
    """A searching node in the world, its table filled like the others' and half of it dead."""

    def __init__(self, world: World, *, plain: bool = False) -> None:
        self.world = world
        self.rng = Random(world.rng.getrandbits(64))
        self.table = RoutingTable(NodeId(self.rng.getrandbits(160)), Scope.GLOBAL, ignore)
        self.plain = plain
        self.budget = SendBudget()

    async def start(self, nursery: trio.Nursery) -> None:
        host = self.world.host()
        self.socket = await host.open_udp(Endpoint(host.ip, PORT))
        self.exchange = self._exchange()
        self.world.fill(self.table)
        if self.plain:
            self.exchange.round_trips = PlainRoundTrips()
        for entry in list(self.table)[:64]:
            self.exchange.round_trips.add(entry.round_trip)
        nursery.start_soon(self._receive)

    def _exchange(self) -> Exchange:
        store, tokens = PeerStore(self.rng, 0), Tokens(self.rng, 0)
        responder = Responder({Family.IPV4: self.table}, store, ItemStore(), tokens, ignore)
        reachability = Reachability(self.socket.local, 0, forced=True)
        return Exchange(
            self.table,
            responder,
            Shortcut(self.table, Family.IPV4, store, tokens),
            AnswerLimiter(),
            reachability,
            Counters(),
            self.rng,
            self.socket.send,
        )

    async def _receive(self) -> None:
        while True:
            for data, source in await self.socket.receive_batch():
                self.exchange.receive(data, source, trio.current_time())

    def lookup(self, target: int) -> Lookup:
        now = trio.current_time()
        if self.plain:
            return PlainLookup(target, self.table, self.exchange.round_trips, now)
        return begin_lookup(target, self.table, self.exchange.round_trips, Family.IPV4, now)

    async def search(self, target: InfoHash, *, thorough: bool = False) -> tuple[Run, Search]:
        search = Search(self.lookup(target), GetPeers(target), self.exchange, self.budget, ignore)
        search.lookup.is_thorough = thorough
        started = trio.current_time()
        first = None
        search.start(started)
        while not search.is_finished:
            woken = trio.Event()
            search.on_change = woken.set
            with trio.CancelScope(deadline=search.next_wake):
                await woken.wait()
            now = trio.current_time()
            self.exchange.expire(now)
            search.pump(now)
            if search.found and first is None:
                first = now - started
        lookup = search.lookup
        expected = {node.contact for node in self.world.closest_live(target)}
        found = len(expected & set(lookup.closest))
        time = trio.current_time() - started
        return Run(first, time, lookup.asked, lookup.answered, lookup.hops, found / K), search

    async def announce(self, search: Search) -> int:
        """To everybody the search found fit; how many nodes were asked to store it."""
        tokens = search.lookup.tokens
        for contact, token in tokens:
            query = AnnouncePeer(InfoHash(search.lookup.target), PEER.port, token)
            self.exchange.ask(contact.endpoint, query, lambda outcome, now: None, trio.current_time())
        await trio.sleep(5)
        return len(tokens)


@dataclass(slots=True)
class Figures:
    """Of many lookups."""

    runs: list[Run] = field(default_factory=list)
    announced: list[int] = field(default_factory=list)  # to how many nodes
    cpu: float = 0.0  # seconds, all nodes together

    @property
    def first(self) -> list[float]:
        """Seconds; a lookup that found nobody counts as endless."""
        return sorted(run.first if run.first is not None else 1e9 for run in self.runs)

    def row(self) -> str:
        first, asked = self.first, [run.asked for run in self.runs]
        return (
            f"{median(first) * 1000:8.0f} {quantiles(first, n=10)[8] * 1000:8.0f}"
            f" {quantiles(first, n=100)[98] * 1000:8.0f}"
            f" {mean(run.recall for run in self.runs):8.4f} {mean(asked):8.1f} {max(asked):6d}"
            f" {mean(run.hops for run in self.runs):6.2f} {median(run.time for run in self.runs):7.2f}"
            f" {self.cpu / len(self.runs) * 1000:8.1f}"
        )


HEAD: Final = "   first/ms p90/ms   p99/ms   recall  queries    max   hops  time/s   cpu/ms"


Study: TypeAlias = Callable[[World, trio.Nursery], Awaitable[None]]


def in_world(nodes: int, seed: int, study: Study, attacked: Mapping[InfoHash, str | None]) -> None:
    """Run `study` in a world of its own; `attacked` gives the Sybils' /24 for each target that has some."""

    async def main() -> None:
        world = World(fabric, nodes, Random(seed), DEAD)
        for target, prefix in attacked.items():
            world.add_sybils(target, SYBILS, prefix)
        world.acquaint()
        async with trio.open_nursery() as nursery:
            await world.start(nursery)
            await study(world, nursery)
            nursery.cancel_scope.cancel()

    clock = simnet.VirtualClock()
    fabric = simnet.Fabric(clock, Random(seed), faults=[loss(LOSS)])
    simnet.run(main, clock=clock)


def first_peers(nodes: int = NODES, lookups: int = LOOKUPS, seed: int = 1) -> dict[str, Figures]:
    """B1 to B3. Each lookup but the `warm` ones by a fresh node, of whose contacts half are dead; those by one that
    learns. `thorough` ones are what announces and `find_node` are, and mean to find all of the K closest.
    """
    kinds = {"magnetite": Figures(), "thorough": Figures(), "plain": Figures(), "warm": Figures()}

    async def study(world: World, nursery: trio.Nursery) -> None:
        warm = Client(world)
        await warm.start(nursery)
        for _ in range(lookups):
            target = InfoHash(world.rng.getrandbits(160))
            for node in world.closest_live(target):
                node.store.add(target, PEER, trio.current_time())
            for name, figures in kinds.items():
                client = warm
                async with trio.open_nursery() as life:
                    if name != "warm":
                        client = Client(world, plain=name == "plain")
                        await client.start(life)
                    began = process_time()
                    figures.runs.append((await client.search(target, thorough=name == "thorough"))[0])
                    figures.cpu += process_time() - began
                    life.cancel_scope.cancel()

    in_world(nodes, seed, study, {})
    return kinds


def attacked(nodes: int = NODES, seed: int = 2, targets: int = TARGETS, *, one_subnet: bool) -> Figures:
    """D1. One node announces to each target, with the Sybils in place already; others search for it."""
    figures = Figures()
    rng = Random(f"targets {seed}")
    aims = [InfoHash(rng.getrandbits(160)) for _ in range(targets)]
    subnets = (f"120.7.{number}" if one_subnet else None for number in range(targets))
    prefixes = dict(zip(aims, subnets, strict=True))

    async def study(world: World, nursery: trio.Nursery) -> None:
        clients = [Client(world) for _ in range(SEARCHERS + 1)]
        warm = []
        for client in clients:
            await client.start(nursery)
            for _ in range(WARM_UP):
                await client.search(InfoHash(world.rng.getrandbits(160)))
            warm.append(client.table.experience)
        for aim in aims:
            for client, experience in zip(clients, warm, strict=True):
                client.table.experience = deepcopy(experience)  # nobody searches for attacked targets alone
            announcer, *searchers = world.rng.sample(clients, SEARCHERS + 1)
            _, search = await announcer.search(aim, thorough=True)
            figures.announced.append(await announcer.announce(search))
            for searcher in searchers:
                figures.runs.append((await searcher.search(aim))[0])

    in_world(nodes, seed, study, prefixes)
    return figures


def found(figures: Figures) -> float:
    return sum(run.first is not None for run in figures.runs) / len(figures.runs)


def main() -> None:
    print(f"{'':12}{HEAD}")
    for name, figures in first_peers().items():
        print(f"{name:12}{figures.row()}")
    for one_subnet in (True, False):
        figures = attacked(one_subnet=one_subnet)
        where = "one /24" if one_subnet else "many /24s"
        print(f"{SYBILS} Sybils of {where}: found {found(figures):.4f}, announced to {mean(figures.announced):.1f}")
        print(f"{'':12}{figures.row()}")


if __name__ == "__main__":
    main()
