"""How soon does a search find its first peer, and what does each choice in our node contribute?

    magnetite simulate lookup_latency

Published: Jimenez, Osmani and Knutsson ("Sub-second lookups on a large-scale Kademlia-based overlay", 2011): in
Mainline, of some 10 million nodes, a node that keeps its table true, prefers near contacts and asks more at once takes
100 to 200 ms in the median, and less than a second nearly always.

Set-up: half of what tables name is dead, 2 % of datagrams are lost, round trips are 120 ms in the median and 400 ms at
the 90th percentile. Each searcher, a production node, looks ten times for what the 8 closest nodes know of. The steps,
each on top of those before: "plain" begins with 8 contacts, asks 3 at a time and waits 2 s for anybody; "timeouts": it
waits as long as answers take; "wide": begins with 32, asks 6 at a time, the fast first; "large buckets": 128, 64, 32
and 16 contacts, of four times as many the fast; "kept true": nobody dead among its own; "memory": of who answered its
other searches, and who did not. The NumPy model of ten million nodes has the first four.

By the model the published median is out of reach: of four hops each takes 120 ms, and more where the contact is dead.
It lacks what gains most in the smaller simulated network, fast contacts that are known to live; and the round trips of
real nodes, as well as how many of them are dead, are assumed.
"""

from dataclasses import replace

import numpy as np

from magnetite.dht.routing_table import capacity_of
from magnetite.simnet.faults import loss
from magnetite.simnet.latency import pairs
from magnetite.study import plot
from magnetite.study.agents.searching import FORGETFUL, NARROW, SMALL_BUCKETS, timeouts
from magnetite.study.altered import altered
from magnetite.study.figures import Table
from magnetite.study.lookup_model import PLAIN, Search, look_up
from magnetite.study.population import Population
from magnetite.study.searcher import announced, open_searcher

STEPS = ["plain", "timeouts", "wide", "large buckets", "kept true", "memory"]
OTHERWISE = {"timeouts": timeouts(2.0), "wide": NARROW, "large buckets": SMALL_BUCKETS, "memory": FORGETFUL}
SMALL_TABLE = Search(buckets=())
MODELS = {
    "plain": replace(PLAIN, buckets=()),
    "timeouts": replace(SMALL_TABLE, hurry=3, alpha=3, start=8, slowness=0.0),
    "wide": SMALL_TABLE,
    "large buckets": Search(),
}
DEAD, LOSS = 0.5, 0.02
FULL = {"step": STEPS, "nodes": 20_000, "modelled": 10_000_000, "searchers": 30, "lookups": 10}
SMALL = {"step": ["plain", "memory"], "nodes": 200, "modelled": 20_000, "searchers": 3, "lookups": 8}


async def measure(world, step, nodes, modelled, searchers, lookups):
    if step in MODELS:
        chance = np.random.default_rng(world.number)
        population = Population(modelled, chance, dead=DEAD, buckets=())
        found = look_up(population, searchers * lookups, chance, MODELS[step], loss=LOSS)
        for first, queries in zip(found.first.tolist(), found.queries.tolist(), strict=True):
            world.record(by="model", milliseconds=1_000 * first, queries=queries)
    world.latency = pairs(world.number)
    await world.dht(nodes, dead=DEAD)
    with world.fault(loss(LOSS)), altered(values_of(step)):
        for _ in range(searchers):
            async with open_searcher(world, capacity=met, living_only=reached(step, "kept true")) as searcher:
                for _ in range(lookups):
                    found = await searcher.search(announced(world))
                    first = float("inf") if found.first is None else 1_000 * found.first
                    world.record(by="production", milliseconds=first, queries=found.queries)


def reached(step, other):
    return STEPS.index(step) >= STEPS.index(other)


def values_of(step):
    """What production would do otherwise, of all the steps that are still to come."""
    return {name: value for other in OTHERWISE if not reached(step, other) for name, value in OTHERWISE[other].items()}


def met(number):
    """How many contacts of each bucket's range a node has met."""
    return 4 * capacity_of(number)


def figures(data):
    groups = data.groupby(["by", "step"])
    table = (
        groups["milliseconds"]
        .quantile([0.5, 0.9, 0.99], interpolation="higher")
        .unstack()
        .rename(columns="p{:.2f}".format)
    )
    table["below 1 s"] = groups["milliseconds"].agg(lambda column: (column < 1_000).mean())
    table["queries"] = groups["queries"].mean()
    table = table.sort_index(level="step", key=lambda steps: steps.map(STEPS.index), sort_remaining=False)
    picture = plot.cdf(data[data["by"] == "production"], "milliseconds", by="step", xlabel="first peer [ms]", log="x")
    return [Table("Milliseconds to the first peer", table), picture]


def verdict(data):
    ours = data[data["by"] == "production"].groupby("step")["milliseconds"]
    first, last = ours.get_group("plain"), ours.get_group("memory")
    largest = data[(data["by"] == "model") & (data["step"] == "large buckets")]["milliseconds"]
    in_ten_million = {"so it is in a DHT of ten million, by the model": bool(largest.median() <= 200)}
    return {
        "all choices together find the first peer in 200 ms in the median": bool(last.median() <= 200),
        **(in_ten_million if len(largest) else {}),
        "99 of 100 searches take less than a second": bool(last.quantile(0.99) < 1_000),
        "fixed timeouts keep more than one search in ten waiting for a second": bool(first.quantile(0.9) > 1_000),
    }
