"""What a DHT of production nodes is worth while its nodes come and go, and what a node survives (C1, C3).

In virtual time; `python -m tests.benchmarks.longevity [NODES HOURS]`: 48 h of 1,000 nodes take some eight hours.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

import trio

from magnetite import simnet
from magnetite.dht.contact import Contact
from magnetite.dht.node import DhtNode, open_node
from magnetite.dht.security import is_valid_id
from magnetite.endpoint import Endpoint
from magnetite.events import Event
from magnetite.ids import InfoHash
from magnetite.simnet.faults import loss
from magnetite.simnet.host import Host
from magnetite.simnet.latency import coordinates
from tests.benchmarks.figures import Figure, table

PORT: Final = 6881
SHAPE: Final = 0.43  # of Weibull's distribution, through the two points the literature gives
SCALE: Final = 470 * 60.0  # seconds
NODES: Final = 1_000
HOURS: Final = 48.0
SETTLING: Final = 0.1  # of the time; what is measured begins after it
SETTLED: Final = 1800.0  # seconds, and before these
SHORTEST: Final = 1.5  # hours: after SETTLED, a few searches SEARCH_AFTER an announce
LOSS: Final = 0.01
ROUTERS: Final = 3  # that stay
REST: Final = 60.0  # seconds from a node's end to the next one's beginning, elsewhere
SEARCH_AFTER: Final = 25 * 60.0  # seconds
PROBE_EVERY: Final = 600.0  # seconds
PROBED: Final = 20  # nodes at a time


@dataclass(slots=True)
class Churned:
    """What was seen in a DHT under churn."""

    handed_out: int = 0
    alive: int = 0
    announced: int = 0
    found: int = 0
    lives: int = 0
    queries: int = 0
    node_seconds: float = 0.0
    cpu: float = 0.0
    sizes: list[int] = field(default_factory=list)


class World:
    """Hosts with a node each, which live for a time drawn from Weibull's distribution, and are replaced."""

    def __init__(self, fabric: simnet.Fabric, rng: Random) -> None:
        self.rng = rng
        self.seen = Churned()
        self.living: dict[Endpoint, DhtNode] = {}
        self.routers: list[Endpoint] = []
        self._fabric = fabric
        self._hosts = 0

    def unused_ip(self) -> str:
        """Every address in a /24 of its own."""
        self._hosts += 1
        return f"{20 + self._hosts // 62_500}.{self._hosts // 250 % 250 + 1}.{self._hosts % 250 + 1}.7"

    def next_host(self) -> Host:
        return self._fabric.host(self.unused_ip())

    def residual(self) -> float:
        """Of a life met at a random moment: longer lives are met more often, and somewhere in their midst."""
        lives = [self.lifetime() for _ in range(200)]
        return self.rng.choices(lives, lives)[0] * self.rng.random()

    def lifetime(self) -> float:
        return self.rng.weibullvariate(SCALE, SHAPE)

    async def run_router(self, task_status: trio.TaskStatus[None]) -> None:
        async with open_one(self.next_host(), self.routers, Random(self._hosts)) as node:
            self.routers.append(node.local)
            self.living[node.local] = node
            task_status.started()
            await trio.sleep_forever()

    async def run_place(self) -> None:
        """One node after another, for ever."""
        await trio.sleep(self.rng.uniform(0, 600))
        left = self.residual()
        while True:
            host = self.next_host()
            started = trio.current_time()
            async with open_one(host, self.routers, Random(self._hosts)) as node:
                self.living[node.local] = node
                with trio.move_on_after(left):
                    await trio.sleep_forever()
                del self.living[node.local]
                self.seen.lives += 1
                self.seen.queries += node.statistics().counters.queries_sent.total()
                self.seen.node_seconds += trio.current_time() - started
            host.crash()
            await trio.sleep(REST)
            left = self.lifetime()

    async def probe(self) -> None:
        """Look at what nodes would tell others, and announce and search."""
        for node in self.rng.sample(list(self.living.values()), PROBED):
            told = node._presences[0].table.closest(self.rng.getrandbits(160), trio.current_time())
            self.seen.handed_out += len(told)
            self.seen.alive += sum(contact.endpoint in self.living for contact in told)
            self.seen.sizes.append(len(node.contacts()))

    async def announce_and_search(self) -> None:
        announcer = self.rng.choice(list(self.living.values()))
        info_hash = InfoHash(self.rng.getrandbits(160))
        try:
            with trio.fail_after(60):
                if not await announcer.announce(info_hash, 7000):
                    return
        except trio.TooSlowError:
            return
        self.seen.announced += 1
        await trio.sleep(SEARCH_AFTER)
        searcher = self.rng.choice([node for node in self.living.values() if node is not announcer])
        async with searcher.get_peers(info_hash) as search:
            peers = [peer async for peer in search]  # before the sum is read, for others add to it meanwhile
            self.seen.found += Endpoint(announcer.local.ip, 7000) in peers


@asynccontextmanager
async def open_one(
    host: Host, routers: list[Endpoint], rng: Random, *, bind: str | None = None, state: Path | None = None
) -> AsyncIterator[DhtNode]:
    async with (
        aclosing(await host.open_udp(Endpoint(bind or host.ip, PORT))) as socket,
        open_node(host, [socket], rng=rng, emit=ignore, bootstrap=list(routers), state_path=state) as node,
    ):
        yield node


def ignore(event: Event) -> None: ...


def churn(nodes: int = NODES, hours: float = HOURS, seed: int = 1) -> Churned:
    """C1: what is handed out, and found again, in a DHT whose nodes stay for hours or for minutes."""
    clock = simnet.VirtualClock()
    fabric = simnet.Fabric(clock, Random(seed), latency=coordinates(seed), faults=[loss(LOSS)])
    world = World(fabric, Random(seed))

    async def study() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(ROUTERS):
                await nursery.start(world.run_router)
            for _ in range(nodes - ROUTERS):
                nursery.start_soon(world.run_place)
            await trio.sleep(max(hours * 3600 * SETTLING, SETTLED))
            while trio.current_time() < hours * 3600 - SEARCH_AFTER - 60:
                await world.probe()
                for _ in range(4):
                    nursery.start_soon(world.announce_and_search)
                await trio.sleep(PROBE_EVERY)
            await trio.sleep_until(hours * 3600)
            nursery.cancel_scope.cancel()

    started = process_time()
    simnet.run(study, clock=clock)
    world.seen.cpu = process_time() - started
    return world.seen


@dataclass(slots=True)
class Events:
    """Seconds until a node is itself again after what may happen to it; contacts kept of those it had."""

    cold: list[float] = field(default_factory=list)  # from nothing but one router, to the first peers of a torrent
    warm: list[float] = field(default_factory=list)  # from the saved state, to the same
    kept_in_outage: list[float] = field(default_factory=list)  # share of the contacts
    returned: list[float] = field(default_factory=list)  # from the network's return to the first peers
    kept_in_move: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)  # from the new address to the first peers
    new_id: list[float] = field(default_factory=list)  # to an id that belongs to it


def incidents(nodes: int = 200, rounds: int = 5, seed: int = 1) -> Events:
    """C3: a node among `nodes` that stay is started, stopped, cut off for an hour, and given another address."""
    clock = simnet.VirtualClock()
    fabric = simnet.Fabric(clock, Random(seed), latency=coordinates(seed), faults=[loss(LOSS)])
    world, seen = World(fabric, Random(seed)), Events()

    async def study() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(nodes):
                await nursery.start(world.run_router)
                del world.routers[ROUTERS:]
            await trio.sleep(600)
            for number in range(rounds):
                info_hash = InfoHash(world.rng.getrandbits(160))
                await world.living[world.routers[-1]].announce(info_hash, 7000)
                with TemporaryDirectory() as folder:
                    await _live_through(world, fabric, info_hash, Path(folder) / "dht.state", number, seen)
            nursery.cancel_scope.cancel()

    simnet.run(study, clock=clock)
    return seen


async def _live_through(
    world: World, fabric: simnet.Fabric, info_hash: InfoHash, state: Path, number: int, seen: Events
) -> None:
    host = world.next_host()
    open_it = partial(open_one, host, rng=Random(number), bind="0.0.0.0", state=state)
    started = trio.current_time()
    async with open_it(world.routers[:1]) as node:
        seen.cold.append(await _first_peer(node, info_hash) - started)
        await trio.sleep(900)
    started = trio.current_time()
    async with open_it([]) as node:
        seen.warm.append(await _first_peer(node, info_hash) - started)
        await trio.sleep(300)

        known = {entry.contact for entry in node.contacts()}
        host.unplug()
        await trio.sleep(3600)
        seen.kept_in_outage.append(_share(known, node))
        await world.living[world.routers[-1]].announce(info_hash, 7000)
        host.plug()
        started = trio.current_time()
        seen.returned.append(await _first_peer(node, info_hash) - started)
        await trio.sleep(300)

        known = {entry.contact for entry in node.contacts()}
        fabric.move(host, world.unused_ip())
        started = trio.current_time()
        seen.moved.append(await _first_peer(node, info_hash) - started)
        while not is_valid_id(node.node_id, host.ip):  # noqa: ASYNC110  # nothing tells it
            await trio.sleep(0.1)
        seen.new_id.append(trio.current_time() - started)
        await trio.sleep(10)
        seen.kept_in_move.append(_share(known, node))


def _share(known: set[Contact], node: DhtNode) -> float:
    return len(known & {entry.contact for entry in node.contacts()}) / len(known)


async def _first_peer(node: DhtNode, info_hash: InfoHash) -> float:
    """When a peer is found, by searches one after another as a download does them."""
    while True:
        with trio.move_on_after(5):
            async with node.get_peers(info_hash) as search:
                async for _ in search:
                    return trio.current_time()


def figures(nodes: int = NODES, hours: float = HOURS) -> list[Figure]:
    """C1 and C3."""
    seen, events = churn(nodes, hours), incidents()
    alive, found = seen.alive / seen.handed_out, seen.found / seen.announced
    return [
        Figure(
            f"C1 contacts handed out that are alive; {nodes} nodes, {hours:g} h of Weibull churn",
            ">= 95 %",
            f"{alive:.2%} of {seen.handed_out}",
            alive >= 0.95,
        ),
        Figure(
            "C1 peers found again 25 min after their announce",
            ">= 99.5 %",
            f"{found:.2%} of {seen.announced}",
            found >= 0.995,
        ),
        Figure("C1 queries of a node", "", f"{seen.queries / seen.node_seconds:.3f}/s, {seen.cpu:.0f} s CPU in all"),
        _slowest("C3 cold, one router: first peer", events.cold, 3),
        _slowest("C3 warm restart: first peer", events.warm, 1),
        Figure(
            "C3 contacts kept over an outage of 1 h",
            "all",
            f"{min(events.kept_in_outage):.0%}",
            min(events.kept_in_outage) == 1,
        ),
        _slowest("C3 after the outage: first peer", events.returned, 10),
        _slowest("C3 after a change of address: first peer", events.moved, 10),
        Figure(
            "C3 after a change of address: new id; contacts kept",
            "",
            f"{max(events.new_id):.0f} s; {min(events.kept_in_move):.0%}",
        ),
    ]


def _slowest(measure: str, seconds: list[float], limit: float) -> Figure:
    measured = f"{median(seconds):.2f} s, at most {max(seconds):.2f} s of {len(seconds)}"
    return Figure(measure, f"< {limit:g} s", measured, max(seconds) < limit)


def main() -> None:
    nodes, hours = (int(sys.argv[1]), float(sys.argv[2])) if len(sys.argv) > 2 else (NODES, HOURS)
    if hours < SHORTEST:
        sys.exit(f"{hours:g} hours are too few to see anything: at least {SHORTEST:g}")
    print(table(figures(nodes, hours)))


if __name__ == "__main__":
    main()
