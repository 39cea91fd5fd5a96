"""How many searches do Sybils spoil that fabricate contacts, and which of our defences is worth what?

    magnetite simulate sybil

Published: if a share f of all nodes is an attacker's, and one answer of his is enough to lead a search astray, a search
of q queries fails with a probability of 1 - (1 - f)^q, so that few of them spoil most (an estimate for any iterative
lookup without defence; the Sybil attack is Douceur's, 2002).

Set-up: the attacker's fronts are a share of those in everybody's tables. Asked for anything, they name 8 of 64 backs,
nodes nearer to the target than anybody is, which name each other and know of no peer. "other ids": the backs answer
under an id of their own; "one subnet": under the id they were named by, from one /24; "many subnets": the same, each
from another. Each searcher, a fresh production node, looks five times for what the 8 closest honest nodes know of. It
has no defence, one of them, all of them; "BEP 42" is what would be if no node were asked whose id does not belong to
its address, which our node does not insist on. q is counted where nobody attacks, until the first peer is found.
"""

from magnetite.simnet.latency import pairs
from magnetite.study import plot
from magnetite.study.agents.defences import ENFORCED, WITHOUT, without
from magnetite.study.agents.fabricators import open_ring
from magnetite.study.altered import altered
from magnetite.study.figures import Table
from magnetite.study.searcher import announced, open_searcher

DEFENCES = {"none": without(), **{name: without(name) for name in WITHOUT}, "all": {}, "BEP 42": without() | ENFORCED}
BACKS = 64
ATTACKS = ["other ids", "one subnet", "many subnets"]
SHARES = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4]
FULL = {"attack": ATTACKS, "defence": [*DEFENCES], "share": SHARES, "nodes": 600, "searchers": 15, "lookups": 5}
SMALL = {**FULL, "defence": ["none", "all"], "share": [0.0, 0.2], "nodes": 200, "searchers": 3}


async def measure(world, attack, defence, share, nodes, searchers, lookups):
    world.latency = pairs(world.number)
    fronts = round(share * nodes)
    population = await world.dht(nodes - fronts)
    honest = population.residents[:]
    one = attack == "one subnet"
    backs = [f"120.7.3.{number}" if one else f"120.{number}.7.3" for number in range(1, BACKS + 1)]
    ring = await open_ring(world, backs, is_fitting=attack != "other ids")
    await world.settle(world.hosts(fronts), ring.front())
    with altered(DEFENCES[defence]):
        for _ in range(searchers):
            async with open_searcher(world) as searcher:
                for _ in range(lookups):
                    found = await searcher.search(announced(world, among=honest))
                    world.record(spoilt=found.first is None, queries=found.queries, before=found.before)


def figures(data):
    spoilt = data.groupby(["attack", "defence", "share"])["spoilt"].mean().unstack("share")
    queries = data.groupby(["attack", "defence", "share"])["queries"].mean().unstack("share")
    many = data[data["attack"] == "many subnets"]
    means = many.groupby(["seed", "defence", "share"], as_index=False)["spoilt"].mean()
    axes = {"xlabel": "share of the attacker's nodes", "ylabel": "share of searches that find nobody"}
    picture = plot.lines(means, "share", "spoilt", by="defence", title="backs in many subnets", **axes)
    shares = sorted(data["share"].unique())
    picture.axes[0].plot(shares, [formula(data, share) for share in shares], "k--", label="1 - (1 - f)^q")
    picture.axes[0].legend(fontsize="small")
    return [Table("Share of searches spoilt, by the share of nodes", spoilt), Table("Queries", queries), picture]


def formula(data, share):
    """How many searches fail where one answer of the attacker's is enough."""
    unattacked = data[(data["share"] == 0) & (data["defence"] == "none")]["before"].mean()
    return 1 - (1 - share) ** unattacked


def verdict(data):
    spoilt = data.groupby(["attack", "defence", "share"])["spoilt"].mean()
    undefended = spoilt["many subnets", "none"]
    off = max(abs(undefended[share] - formula(data, share)) for share in undefended.index)
    fifth = spoilt.xs(0.2, level="share")
    return {
        "without defence the share of spoilt searches is within 0.15 of the formula": bool(off < 0.15),
        "with all defences an attacker in one subnet, or of other ids, spoils none": bool(
            spoilt.xs("all", level="defence")[["one subnet", "other ids"]].max() == 0
        ),
        "with all defences an attacker in many subnets spoils fewer": bool(
            fifth["many subnets", "all"] < fifth["many subnets", "none"]
        ),
    }
