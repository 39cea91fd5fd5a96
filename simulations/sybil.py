"""How many searches do Sybils spoil that fabricate contacts, and which of our defences is worth what?

    magnetite simulate sybil

Published: if a share f of all nodes is an attacker's, and one answer of his is enough to lead a search astray, a search
that hears q answers before the right one fails with a probability of 1 - (1 - f)^q, so that few of them spoil most (an
estimate for any iterative lookup without defence; the Sybil attack is Douceur's, 2002).

Set-up: the attacker's fronts are a share of those in everybody's tables. Asked for anything, they name 8 of 64 backs,
nodes nearer to the target than anybody is, which name each other and know of no peer. "other ids": the backs answer
under an id of their own; "one subnet": under the id they were named by, from one /24; "many subnets": the same, each
from another. Each searcher, a production node, looks 40 times for what the 8 closest honest nodes know
of; "later" is after the first ten, when bans begin to tell: backs have been met under several ids. It begins with 8
contacts and asks 3 at a time, as most do, and has no defence, one of ours or all of them; "ours" begins with 32 and
asks 6 at a time besides. "BEP 42" is what would be if nobody were asked whose id does not belong to its address, which
our node does not insist on. q is counted where nobody attacks; the formula is a bound, for of three that are asked at a
time one may know a peer before the attacker's answer is heard.
"""

from magnetite.simnet.latency import pairs
from magnetite.study import plot
from magnetite.study.agents.defences import ENFORCED, WITHOUT, without
from magnetite.study.agents.fabricators import open_ring
from magnetite.study.agents.searching import PLAIN
from magnetite.study.altered import altered
from magnetite.study.figures import Table
from magnetite.study.searcher import announced, open_searcher

NONE = PLAIN | without()
DEFENCES = {"no defence": NONE, **{name: PLAIN | without(name) for name in WITHOUT}, "all": PLAIN, "ours": {}}
DEFENCES["BEP 42"] = NONE | ENFORCED
BACKS = 64
ATTACKS = ["other ids", "one subnet", "many subnets"]
SHARES = [0.0, 0.1, 0.2, 0.4]
SOON = 10  # searches; by then hardly any back has been met under three ids
FULL = {"attack": ATTACKS, "defence": [*DEFENCES], "share": SHARES, "nodes": 1_000, "searchers": 4, "lookups": 40}
FEW = {"attack": ["one subnet", "many subnets"], "defence": ["no defence", "all", "ours"], "share": [0.0, 0.5]}
SMALL = {**FULL, **FEW, "nodes": 200, "searchers": 1, "lookups": 30}


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
                for number in range(lookups):
                    found = await searcher.search(announced(world, among=honest))
                    when = "soon" if number < SOON else "later"
                    world.record(when=when, spoilt=found.first is None, queries=found.queries, before=found.before)


def figures(data):
    spoilt = data.groupby(["attack", "defence", "when", "share"])["spoilt"].mean().unstack("share")
    queries = data.groupby(["attack", "defence", "share"])["queries"].mean().unstack("share")
    many = data[data["attack"] == "many subnets"]
    axes = {"xlabel": "share of the attacker's nodes", "ylabel": "share of searches that find nobody"}
    picture = plot.lines(many, "share", "spoilt", by="defence", mean=True, title="backs in many subnets", **axes)
    shares = sorted(data["share"].unique())
    picture.axes[0].plot(shares, [formula(data, share) for share in shares], "k--", label="1 - (1 - f)^q")
    picture.axes[0].legend(fontsize="small")
    return [Table("Share of searches spoilt, by the share of nodes", spoilt), Table("Queries", queries), picture]


def formula(data, share):
    """How many searches fail where one answer of the attacker's is enough."""
    unattacked = data[(data["share"] == 0) & (data["defence"] == "no defence")]["before"].mean()
    return 1 - (1 - share) ** unattacked


def verdict(data):
    spoilt = data.groupby(["attack", "defence", "share"])["spoilt"].mean()
    undefended = spoilt["many subnets", "no defence"]
    excess = max(undefended[share] - formula(data, share) for share in undefended.index)
    most = data[data["share"] == data["share"].max()]
    later = most[most["when"] == "later"].groupby(["attack", "defence"])["spoilt"].mean()["many subnets"]
    most = most.groupby(["attack", "defence"])["spoilt"].mean()
    many = most["many subnets"]
    return {
        "without defence many are spoilt, but hardly more than the formula says": undefended.max() > 0.2
        and excess < 0.1,
        "with all defences one in one subnet spoils at most one search in twenty": most["one subnet", "all"] <= 0.05,
        "one in many subnets is kept from it by bans, in time": later["all"] <= 0.5 * later["no defence"],
        "who asks more at once, as our node does, is harmed half as often": many["ours"] <= 0.5 * many["no defence"],
    }
