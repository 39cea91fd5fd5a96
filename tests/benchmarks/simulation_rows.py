"""The worlds of the simulation benchmark, each run in a process of its own:

    python -m tests.benchmarks.simulation_rows NAME [SIZE=VALUE ...]

prints a line of JSON: what the world did, and the processor time and memory it took. `block_kib=64` first makes blocks
of that size, which no peer on the internet would send, the unit of everything: a quarter of the messages.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from random import Random
from resource import RUSAGE_SELF, getrusage
from statistics import mean, median
from time import process_time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import trio

from magnetite.wire import messages as wire_messages

if __name__ == "__main__":  # before anybody else takes its value
    wire_messages.BLOCK_LENGTH = dict(each.split("=") for each in sys.argv[2:]).get("block_kib", "16")
    wire_messages.BLOCK_LENGTH = int(wire_messages.BLOCK_LENGTH) << 10

from magnetite import simnet
from magnetite.events import Event, LookupFinished
from magnetite.ids import InfoHash, NodeId
from magnetite.opening import open_dht_node
from magnetite.simnet.faults import loss
from magnetite.simnet.latency import constant, coordinates
from magnetite.study import lookup_model, run
from magnetite.study.population import MEDIAN, SIGMA, Population

if TYPE_CHECKING:
    from magnetite.dht.node import DhtNode
    from magnetite.study import World

PORT: Final = 6881
ROUTERS: Final = 4  # nodes that newcomers ask first, as many as a node knows by default
ARRIVALS: Final = 1_000.0  # nodes a second: what is measured is joining, not keeping up
SETTLE: Final = 15.0  # seconds after the last has come
AT_ONCE: Final = 50  # searches
OF_ONE: Final = 10  # searches of each visitor of a warm DHT
DEAD: Final = 0.5  # of the contacts that lookups meet where the model is compared with nodes
LOST: Final = 0.02  # of the datagrams there
REFERENCE: Final = 1_000_000  # numbers that are added to see how fast the machine is meanwhile
KIB: Final = 1 << 10

Facts: TypeAlias = dict[str, Any]


def joins(nodes: int = 10_000, lookups: int = 1_000, seed: int = 1) -> Facts:
    """Nodes that join by routers, as real ones do, and search for random targets when all are there."""

    async def world() -> Facts:
        members: list[DhtNode] = []
        async with trio.open_nursery() as nursery:
            for number in range(nodes):
                nursery.start_soon(member, number, members)
            await trio.sleep(nodes / ARRIVALS + SETTLE)
            joined = sum(node.is_usable for node in members)
            found = await search(members, lookups, Random(f"targets {seed}"))
            ids = [node.node_id for node in members]
            right = sum(nearest == min(ids, key=target.__xor__) for target, nearest in found)
            counters = [node.statistics().counters for node in members]
            sent = sum(each.queries_sent.total() + each.answers_sent + each.errors_sent for each in counters)
            facts = {"joined": joined, "right": right / lookups, "messages": sent, "virtual": trio.current_time()}
            nursery.cancel_scope.cancel()
        return facts

    async def member(number: int, members: list[DhtNode]) -> None:
        await trio.sleep(number / ARRIVALS)
        host = fabric.host(address(number))
        bootstrap = [(address(router), PORT) for router in range(min(number, ROUTERS))]
        async with open_dht_node(
            port=PORT, bind=host.ip, bootstrap=bootstrap, network=host, rng=Random(f"{seed}/{number}")
        ) as node:
            members.append(node)
            await trio.sleep_forever()

    clock = simnet.VirtualClock()
    fabric = simnet.Fabric(clock, Random(seed), coordinates(seed))
    return simnet.run(world, seed=seed, clock=clock)


def warm(nodes: int = 20_000, lookups: int = 2_000, seed: int = 1) -> Facts:
    """Nodes that know each other, and visitors who search among them."""

    async def measure(world: World) -> None:
        population = await world.dht(nodes)
        visitors = [await world.keep(world.node(world.host())) for _ in range(max(1, lookups // OF_ONE))]
        for node in visitors:
            population.acquaint(node)
        await search(visitors, lookups, world.rng("targets"))
        asked = sum(resident.asked for resident in population.residents)
        world.record(messages=2 * asked)

    return dict(run(measure, seed).rows[0])


def swarm(
    leechers: int = 200,
    pieces: int = 256,
    piece_kib: int = 256,
    by_reference: int = 0,
    up_kib: int = 1024,
    seed: int = 1,
    block_kib: int = 16,
) -> Facts:
    """A flash crowd on equal lines: everybody begins at once, and who is done goes on to upload."""
    link = simnet.Link(up=up_kib * KIB, down=8 * up_kib * KIB)

    async def measure(world: World) -> None:
        size, piece_length = pieces * piece_kib * KIB, piece_kib * KIB
        magnet = await world.seed(size, link, piece_length=piece_length, by_reference=bool(by_reference))
        begun = world.now

        async def member(host: simnet.Host) -> None:
            download = await world.download(host, magnet, knows_metainfo=True)
            await download.completed()
            world.record(done=world.now - begun)

        async with trio.open_nursery() as crowd:
            for host in world.hosts(leechers, link):
                crowd.start_soon(member, host)

    rows = run(measure, seed).rows
    return {"done": [row["done"] for row in rows], "blocks": leechers * pieces * piece_kib // block_kib}


def agreement(nodes: int = 3_000, lookups: int = 400, seed: int = 1) -> Facts:
    """Lookups by fresh production nodes, among so many that live and as many dead, and the same by the model."""
    finished: list[LookupFinished] = []

    def observe(event: Event) -> None:
        if isinstance(event, LookupFinished) and isinstance(event.target, InfoHash):
            finished.append(event)

    residents: set[str] = set()

    @cache
    def round_trip(ip: str) -> float:
        """As the model has it: each resident its own, a visitor none."""
        return MEDIAN * Random(ip).lognormvariate(0, SIGMA) if ip in residents else 0.0

    async def measure(world: World) -> None:
        world.latency = lambda source, destination: (round_trip(source) + round_trip(destination)) / 2
        population = await world.dht(nodes, dead=DEAD)
        residents.update(contact.endpoint.ip for contact in population.contacts.values())
        with world.fault(loss(LOST)):
            for _ in range(lookups):
                async with world.node(world.host(), observe=observe) as node:
                    population.acquaint(node)
                    await search([node], 1, world.rng("targets"))

    run(measure, seed)
    rng = np.random.default_rng(seed)
    everybody = Population(round(nodes / (1 - DEAD)), rng, dead=DEAD, buckets=())
    model = lookup_model.look_up(everybody, 20 * lookups, rng, loss=LOST)
    return {
        "queries": mean(event.asked for event in finished),
        "hops": mean(event.hops for event in finished),
        "model_queries": float(model.queries.mean()),
        "model_hops": float(model.hops.mean()),
    }


def model(nodes: int = 10_000_000, lookups: int = 50_000, seed: int = 1) -> Facts:
    """Lookups among millions, in NumPy."""
    rng = np.random.default_rng(seed)
    found = lookup_model.look_up(Population(nodes, rng, dead=DEAD, buckets=()), lookups, rng, loss=LOST)
    return {
        "queries": float(found.queries.mean()),
        "hops": float(found.hops.mean()),
        "first": float(np.median(found.first)),
    }


def digest(nodes: int = 12, leechers: int = 6, seed: int = 1) -> Facts:
    """A world in which much happens at the same instant, messages are lost, and nodes and peers come and go."""

    async def measure(world: World) -> None:
        world.latency = constant(0.02)  # so that the clocks of all tick together
        with world.fault(loss(LOST)):
            await world.join_dht(nodes, settle=20.0)
            magnet = await world.seed(256 * KIB, simnet.Link(up=64 * KIB), piece_length=32 * KIB)
            hosts = world.hosts(leechers, simnet.Link(up=64 * KIB))
            for host in hosts:
                await world.download(host, magnet)
            for _ in range(3):
                with trio.move_on_after(world.rng("sessions").weibullvariate(4.0, 0.5)):
                    async with world.node(world.host()) as node:
                        await search([node], 1, world.rng("targets"))
                        await trio.sleep_forever()
            world.record(now=world.now)
            await trio.sleep(20.0)

    report = run(measure, seed)
    return {"digest": report.digest, "events": report.events}


async def search(members: list[DhtNode], lookups: int, rng: Random) -> list[tuple[InfoHash, NodeId]]:
    """Searches for the peers of random torrents, each by a random node: targets, and the nodes found nearest."""
    limit = trio.CapacityLimiter(AT_ONCE)
    found: list[tuple[InfoHash, NodeId]] = []

    async def one(node: DhtNode, target: InfoHash) -> None:
        async with limit, node.get_peers(target) as peers:
            async for _ in peers:
                pass
            found.extend((target, nearest.node_id) for nearest in peers.closest[:1])

    async with trio.open_nursery() as nursery:
        for _ in range(lookups):
            nursery.start_soon(one, rng.choice(members), InfoHash(rng.getrandbits(160)))
    return found


def address(number: int) -> str:
    """Every host in a /24 of its own."""
    return f"{20 + number // 62_500}.{number // 250 % 250 + 1}.{number % 250 + 1}.7"


def pace() -> float:
    """CPU seconds for a loop that is always the same: the machine is not always as fast."""
    times = []
    for _ in range(5):
        began = process_time()
        sum(range(REFERENCE))
        times.append(process_time() - began)
    return median(times)


ROWS: Final[dict[str, Callable[..., Facts]]] = {
    each.__name__: each for each in (joins, warm, swarm, agreement, model, digest)
}


def main() -> None:
    name, *sizes = sys.argv[1:]
    before = pace()
    facts = ROWS[name](**{key: int(value) for key, _, value in (size.partition("=") for size in sizes)})
    usage = getrusage(RUSAGE_SELF)
    facts |= {"cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * KIB, "pace": (before + pace()) / 2}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
