"""What do dead contacts cost a lookup, by how long it waits for them?

    magnetite simulate dead_contacts

Published: Crosby and Wallach ("An analysis of BitTorrent's two Kademlia-based DHTs", 2007): with a fifth of all
contacts dead and timeouts of many seconds, lookups took about a minute in the median.

Set-up: a lookup that ends when the 8 closest living nodes have answered, by a node whose own contacts are dead as often
as those it is told of. One that waits 20 s or 2 s for anybody begins with 8 contacts and asks 3 at a time; "in rounds"
it asks the next three when all of the last have answered, or have had their time; "ours" is our node, which gives the
slot of a silent one to another after as long as nine in ten answers take. Each by production nodes in the simulated
network, and, but for the rounds, by the NumPy model for a million nodes, about as many as Mainline had then.
"""

from dataclasses import replace

import numpy as np

from magnetite.simnet.latency import pairs
from magnetite.study import plot
from magnetite.study.agents.searching import PLAIN, ROUNDS, timeouts
from magnetite.study.altered import altered
from magnetite.study.figures import Table
from magnetite.study.lookup_model import PLAIN as PLAIN_MODEL
from magnetite.study.lookup_model import Search, look_up
from magnetite.study.population import Population
from magnetite.study.searcher import announced, open_searcher

WAITING = {
    "20 s, in rounds": {**PLAIN, **timeouts(20.0), **ROUNDS},
    "20 s": {**PLAIN, **timeouts(20.0)},
    "2 s": PLAIN,
    "ours": {},
}
MODELS = {
    "20 s": replace(PLAIN_MODEL, stall=20.0, buckets=()),
    "2 s": replace(PLAIN_MODEL, buckets=()),
    "ours": Search(),
}
SHARES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
FULL = {"waiting": [*WAITING], "dead": SHARES, "nodes": 2_000, "modelled": 1_000_000, "searchers": 20, "lookups": 5}
SMALL = {
    **FULL,
    "waiting": ["20 s, in rounds", "20 s", "ours"],
    "dead": [0.0, 0.2],
    "nodes": 500,
    "modelled": 10_000,
    "searchers": 3,
}


async def measure(world, waiting, dead, nodes, modelled, searchers, lookups):
    if waiting in MODELS:
        chance = np.random.default_rng(world.number)
        population = Population(modelled, chance, dead=dead, buckets=())
        found = look_up(population, 10 * searchers * lookups, chance, MODELS[waiting])
        for seconds, queries in zip(found.time.tolist(), found.queries.tolist(), strict=True):
            world.record(by="model", seconds=seconds, queries=queries)
    world.latency = pairs(world.number)
    await world.dht(nodes, dead=dead)
    with altered(WAITING[waiting]):
        for _ in range(searchers):
            async with open_searcher(world) as searcher:
                for _ in range(lookups):
                    found = await searcher.search(announced(world))
                    world.record(by="production", seconds=found.seconds, queries=found.queries)


def figures(data):
    middle = data.groupby(["waiting", "by", "dead"])["seconds"].median().unstack("dead")
    queries = data.groupby(["waiting", "by", "dead"])["queries"].mean().unstack("dead")
    data = data.assign(curve=data["waiting"] + ", " + data["by"], percent=100 * data["dead"])
    axes = {"xlabel": "dead contacts [%]", "ylabel": "until the lookup ends [s], median"}
    picture = plot.lines(data, "percent", "seconds", by="curve", log="y", band=False, **axes)
    return [Table("Seconds until the end, median, by the share of dead", middle), Table("Queries", queries), picture]


def verdict(data):
    middle = data.groupby(["waiting", "by", "dead"])["seconds"].median()
    return {
        "with a fifth dead, 20 s each and in rounds a lookup takes half a minute to two": bool(
            30 < middle["20 s, in rounds", "production", 0.2] < 120
        ),
        "who asks on meanwhile waits for one timeout, in the end": bool(20 < middle["20 s", "production", 0.2] < 30),
        "where nobody is dead the wait makes no difference": bool(
            middle["20 s", "production", 0.0] < 3 * middle["ours", "production", 0.0]
        ),
        "our node ends within three seconds where a fifth is dead": bool(
            middle["ours"].xs(0.2, level="dead").max() < 3
        ),
    }
