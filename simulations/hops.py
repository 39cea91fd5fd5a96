"""How many hops does a lookup take, in a DHT of a thousand nodes or of ten million?

    magnetite simulate hops

Published: Maymounkov and Mazieres (Kademlia, 2002): a number of hops that grows with the logarithm of the number of
nodes. With buckets of 8 an answer brings the searcher nearer by the bit of the bucket, and by the nearest of the 8
contacts in it, which is H(8) / ln 2 = 3.9 bits on average: 4.9 bits at most, since three are asked at a time and not
only the nearest. A first model had 4.5 to 4.8.

Set-up: everybody lives and has 8 contacts in each bucket. "plain" is a searcher as Kademlia has it: it begins with its
8 nearest contacts, asks 3 at a time and does not prefer the fast; "magnetite" is ours, with large buckets. Neither
remembers earlier lookups. Up to `real` nodes they are production nodes in the simulated network, and at any size those
of the NumPy model. Hops are those to the farthest of the 8 closest nodes; one's own contacts are none away. Bits a hop
are the slope.
"""

from dataclasses import replace

import numpy as np

from magnetite.ids import InfoHash
from magnetite.simnet.latency import pairs
from magnetite.study import lookup_model, plot
from magnetite.study.agents.searching import FORGETFUL, PLAIN
from magnetite.study.altered import altered
from magnetite.study.figures import Table
from magnetite.study.population import Population
from magnetite.study.searcher import open_searcher

MANY = 1_000  # below, a lookup is hardly more than its beginning and its end
SIZES = [1_000, 3_000, 20_000, 100_000, 1_000_000, 10_000_000]
MODELS = {"plain": replace(lookup_model.PLAIN, buckets=()), "magnetite": lookup_model.Search()}
FULL = {"nodes": SIZES, "searcher": [*MODELS], "lookups": 300, "modelled": 4_000, "real": 20_000}
SMALL = {"nodes": [1_000, 30_000, 1_000_000], "searcher": ["plain"], "lookups": 250, "modelled": 1_000, "real": 1_000}


async def measure(world, nodes, searcher, lookups, modelled, real):
    if nodes <= real:
        world.latency = pairs(world.number)  # as in the model: who answers first is often who names first
        await world.dht(nodes)
        for hops, queries in await searched(world, searcher, lookups):
            world.record(by="production", hops=hops, queries=queries)
    chance = np.random.default_rng(world.number)
    population = Population(nodes, chance, buckets=())
    found = lookup_model.look_up(population, modelled, chance, MODELS[searcher])
    for hops, queries in zip(found.hops.tolist(), found.queries.tolist(), strict=True):
        world.record(by="model", hops=hops, queries=queries)


async def searched(world, searcher, lookups):
    """Hops and queries of lookups by fresh nodes, ten each."""
    rows = []
    with altered(PLAIN if searcher == "plain" else FORGETFUL):
        while len(rows) < lookups:
            async with open_searcher(world) as node:
                for _ in range(min(10, lookups - len(rows))):
                    found = await node.search(InfoHash(world.rng("targets").getrandbits(160)))
                    rows.append((found.hops, found.queries))
    return rows


def figures(data):
    table = data.groupby(["searcher", "by", "nodes"])[["hops", "queries"]].mean()
    data = data.assign(curve=data["searcher"] + ", " + data["by"])
    axes = {"xlabel": "nodes", "ylabel": "hops, mean"}
    picture = plot.lines(data, "nodes", "hops", by="curve", log="x", mean=True, **axes)
    return [Table("Mean of all lookups", table), Table("Bits a hop", bits(data).to_frame("bits")), picture]


def verdict(data):
    means = data.groupby(["searcher", "by", "nodes"])["hops"].mean()
    model = means.xs("model", level="by")
    both = data[data["nodes"] >= MANY].groupby(["searcher", "nodes", "by"])[["hops", "queries"]].mean().unstack("by")
    off = (both.xs("model", axis=1, level="by") / both.xs("production", axis=1, level="by") - 1).abs().max()
    return {
        "more nodes take more hops": all(model[name].is_monotonic_increasing for name in model.index.unique(0)),
        "a plain search gains 4.5 to 4.9 bits a hop": 4.5 <= round(bits(data)["plain", "model"], 1) <= 4.9,
        "the model's hops and queries are within 10 % of production nodes": bool(off.max() < 0.1),
    }


def bits(data):
    """Of the distance, gained by each hop: the slope of log2 of the nodes over hops, where there are many nodes."""
    means = data[data["nodes"] >= MANY].groupby(["searcher", "by", "nodes"], as_index=False)["hops"].mean()
    sizes = means.groupby(["searcher", "by"]).filter(lambda part: len(part) > 1).groupby(["searcher", "by"])
    return sizes[["nodes", "hops"]].apply(lambda part: 1 / np.polyfit(np.log2(part["nodes"]), part["hops"], 1)[0])
