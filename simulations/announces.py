"""How surely is a peer found that has announced itself a while ago, when nodes come and go?

    magnetite simulate announces

Published: Wang and Kangasharju (2013) let half of Mainline's nodes stay for less than 200 minutes and 3 % for more than
9,000: Weibull sessions of shape 0.43 and scale 470 min. A peer is stored by the 8 closest nodes, and clients announce
themselves every 15 to 30 minutes, since announces expire (BEP 5); how many are found in between is what matters.

Set-up: production nodes, which join, leave without a word and are replaced by others, at the published rate, at ten
and at a hundred times that; five stay. After ten minutes one of these announces peers, and others look for them, up
to an hour later, by searches that end with the first peer or with the lookup. Nodes of this study remember announces
for two hours, to show what churn alone does; magnetite's forget them after 40 minutes, as the line says.

The network is small: a dozen queries ask a seventh of all nodes, and may so meet some of the old neighbourhood even
after newer nodes have come closer. In a large one that should help less; it was not measured.
"""

from math import gamma

import trio

from magnetite.ids import InfoHash
from magnetite.simnet.churn import Sessions, poisson
from magnetite.study import plot
from magnetite.study.altered import altered
from magnetite.study.figures import Table

MINUTE = 60.0
FORGETS = 40  # minutes; magnetite.dht.peer_list
STAYING = 5
FULL = {"scale": [470.0, 47.0, 4.7], "nodes": 80, "targets": 60, "settle": 10, "age": 60, "every": 10}
SMALL = {"scale": [470.0], "nodes": 16, "targets": 5, "settle": 2, "age": 10, "every": 10}


async def measure(world, scale, nodes, targets, settle, age, every):
    with altered({"dht.peer_list.EXPIRY": 120 * MINUTE}):
        announcer, *searchers = await world.join_dht(STAYING)
        world.start(replaced, world, nodes, Sessions(scale=scale * MINUTE))
        await world.at(settle * MINUTE)
        aims = [InfoHash(world.rng("targets").getrandbits(160)) for _ in range(targets)]
        async with trio.open_nursery() as nursery:
            for aim in aims:
                nursery.start_soon(announcer.announce, aim, 6881)
        announced = world.now
        for minutes in range(0, age + 1, every):
            await world.at(announced + minutes * MINUTE)
            async with trio.open_nursery() as nursery:
                for number, aim in enumerate(aims):
                    nursery.start_soon(search, world, searchers[number % len(searchers)], aim, minutes)


async def search(world, node, aim, minutes):
    async with node.get_peers(aim) as found:
        async for _ in found:
            world.record(minutes=minutes, found=True)
            return
    world.record(minutes=minutes, found=False)


async def replaced(world, nodes, sessions):
    """As many nodes as there are from the start, each in the midst of its stay; who leaves is replaced by another."""
    rate = nodes / (sessions.scale * gamma(1 + 1 / sessions.shape))
    async with trio.open_nursery() as nursery:
        for _ in range(nodes):
            nursery.start_soon(stay, world, sessions.rest(world.rng("stays")))
        for arrival in poisson(rate, world.rng("arrivals")):
            await world.at(arrival)
            nursery.start_soon(stay, world, sessions.length(world.rng("stays")))


async def stay(world, seconds):
    async with world.node(world.host(), traced=False):
        await trio.sleep(seconds)


def figures(data):
    shares = data.groupby(["scale", "minutes"])["found"].mean().unstack("minutes")
    axes = {"xlabel": "since the announce [min]", "ylabel": "share of searches that find it"}
    picture = plot.lines(data, "minutes", "found", by="scale", mean=True, **axes)
    picture.axes[0].axvline(FORGETS, linestyle="--", color="0.4")
    picture.axes[0].set_ylim(0, 1.05)
    return [Table("Share of searches that find the peer, by minutes since its announce", shares), picture]


def verdict(data):
    shares = data.groupby(["scale", "minutes"])["found"].mean()
    return {
        "at the published rate churn hides less than one in a hundred within an hour": bool(
            shares[470.0].min() >= 0.99
        ),
        "between two announces, 30 minutes, it hides none": bool((shares[470.0].loc[:30] == 1).all()),
        "the faster nodes come and go, the fewer are found": shares.groupby("scale").mean().is_monotonic_increasing,
    }
