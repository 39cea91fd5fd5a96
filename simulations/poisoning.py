"""What do silent nodes, and nodes that name others who do not exist, cost the searches of honest ones?

    magnetite simulate poisoning

Published: Wang and Kangasharju ("Real-world sybil attacks in BitTorrent mainline DHT", 2012) met some 300,000 Sybils in
Mainline. What a search costs among them is published nowhere that we know of: there is nothing to compare with.

Set-up: a share of all nodes, in everybody's tables like others, is of one kind. "silent" ones never answer; "poisoning"
ones answer every question with eight contacts nearer to the target than anybody is, at addresses where nobody lives,
and know of no peer. Each searcher, a fresh production node, looks five times for what the 8 closest honest nodes know
of. "plain" begins with 8 contacts, asks 3 at a time and waits 2 s for anybody; "ours" is our node.
"""

from magnetite.simnet.latency import pairs
from magnetite.study import plot
from magnetite.study.agents.residents import Poisoner, Silent
from magnetite.study.agents.searching import PLAIN
from magnetite.study.altered import altered
from magnetite.study.figures import Table
from magnetite.study.searcher import announced, open_searcher

KINDS = {"silent": Silent, "poisoning": Poisoner}
SEARCHERS = {"plain": PLAIN, "ours": {}}
SHARES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
FULL = {"kind": [*KINDS], "share": SHARES, "by": [*SEARCHERS], "nodes": 2_000, "searchers": 30, "lookups": 5}
SMALL = {**FULL, "share": [0.0, 0.3], "by": ["ours"], "nodes": 300, "searchers": 4}


async def measure(world, kind, share, by, nodes, searchers, lookups):
    world.latency = pairs(world.number)
    bad = round(share * nodes)
    population = await world.dht(nodes - bad)
    honest = population.residents[:]
    await world.settle(world.hosts(bad), KINDS[kind])
    with altered(SEARCHERS[by]):
        for _ in range(searchers):
            async with open_searcher(world) as searcher:
                for _ in range(lookups):
                    found = await searcher.search(announced(world, among=honest))
                    first = float("inf") if found.first is None else found.first
                    world.record(first=first, found=found.first is not None, queries=found.queries)


def figures(data):
    groups = data.groupby(["kind", "by", "share"])
    table = groups[["found", "queries"]].mean()
    table["first peer, median [s]"] = groups["first"].median()
    table["first peer, p90 [s]"] = groups["first"].quantile(0.9, interpolation="higher")
    data = data.assign(curve=data["kind"] + ", " + data["by"], percent=100 * data["share"])
    axes = {"xlabel": "share of bad nodes [%]", "ylabel": "queries of a search, median"}
    return [Table("A search among bad nodes", table), plot.lines(data, "percent", "queries", by="curve", **axes)]


def verdict(data):
    ours = data[data["by"] == "ours"].groupby(["kind", "share"])[["found", "queries"]].mean()
    some = ours.xs(0.3, level="share")
    return {
        "with three in ten silent our node finds 99 of 100 peers": bool(some["found"]["silent"] >= 0.99),
        "with three in ten poisoning, too": bool(some["found"]["poisoning"] >= 0.99),
        "poisoning costs more queries than silence": bool(some["queries"]["poisoning"] > some["queries"]["silent"]),
    }
