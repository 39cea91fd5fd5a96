"""How many addresses does it take to hide a torrent's peers, by nodes next to it, with and without BEP 42?

    magnetite simulate eclipse

Published: BEP 42 prescribes 21 bits of an id by its address, in 8 ways, so that nobody has a place at will. Who has A
addresses gets into a given target's prefix with a probability of 1 - exp(-8 A / 2^21): 180,000 addresses for an
even chance of one node there, two million for the 8 next to it. Without the rule 8 are enough. Of ten million nodes 5
others share the prefix; all further bits are free, so that who is in it is nearer than these.

Set-up: attackers, each at an address in a /24 of its own, are there before the peer announces itself. They are nearer
to the target than anybody ("free"), or as near as BEP 42 lets them ("bound"), take every announce, know of no peer and
name each other only. One node announces to each of some targets; others, which have searched elsewhere before, look for
it. All are production nodes; "narrow" lacks what ours does where the nearest are too near to be so by chance: to
announce to, and ask, those beyond. Up to a million addresses the 8 A prefixes are counted by the rule itself, in NumPy.
"""

import numpy as np

from magnetite.ids import InfoHash
from magnetite.simnet.latency import pairs
from magnetite.study import plot
from magnetite.study.agents.defences import WITHOUT
from magnetite.study.agents.residents import near, sybils, valid_near
from magnetite.study.altered import altered
from magnetite.study.bep42 import PREFIX, prefixes
from magnetite.study.figures import Table
from magnetite.study.searcher import announced, open_searcher

NEARER = 40  # bits of a free attacker's id that are the target's
NODES = {"ours": {}, "narrow": WITHOUT["widening"]}
ATTACKERS = [4, 8, 16, 32, 64, 1_000, 10_000, 100_000, 300_000, 1_000_000, 3_000_000]
FULL = {"attackers": ATTACKERS, "ids": ["free", "bound"], "node": [*NODES], "real": 64, "nodes": 2_000, "targets": 12}
SMALL = {**FULL, "attackers": [16, 100_000], "real": 16, "nodes": 200, "targets": 4}


async def measure(world, attackers, ids, node, real, nodes, targets):
    if attackers > real:
        if (ids, node) == ("bound", "ours"):
            ips = np.random.default_rng(world.number).integers(0, 1 << 32, attackers, dtype=np.uint32)
            hits = np.bincount(prefixes(ips).ravel(), minlength=1 << PREFIX)
            first, eight = (float((hits >= enough).mean()) for enough in (1, 8))
            world.record(first=first, eight=eight, formula=1 - float(np.exp(-8 * attackers / 2**PREFIX)))
        return
    world.latency = pairs(world.number)
    await world.dht(nodes)
    rng = world.rng("attack")
    aims = [InfoHash(rng.getrandbits(160)) for _ in range(targets)]
    for aim in aims:
        new_id = near(aim, NEARER, rng) if ids == "free" else valid_near(aim, rng)
        await world.settle(world.hosts(attackers), sybils(), new_id)
    with altered(NODES[node]):
        async with open_searcher(world) as announcer, open_searcher(world) as one, open_searcher(world) as other:
            for each in (announcer, one, other):
                for _ in range(10):
                    await each.search(announced(world))
            for aim in aims:
                stored = await announcer.node.announce(aim, 6881)
                for searcher in (one, other):
                    found = await searcher.search(aim)
                    world.record(hidden=found.first is None, queries=found.queries, stored=stored)


def figures(data):
    real = data.dropna(subset=["hidden"])
    table = real.groupby(["ids", "node", "attackers"])[["hidden", "queries", "stored"]].mean()
    figures = [Table("Share of searches that find nobody", table)]
    many = data.dropna(subset=["formula"])
    if len(many):
        reached = many.groupby("attackers")[["first", "formula", "eight"]].mean()
        reached.columns = ["a node in the target's prefix", "1 - exp(-8 A / 2^21)", "eight nodes in it"]
        figures.append(Table("Share of targets reached by BEP 42", reached))
    real = real.assign(hidden=real["hidden"].astype(float), curve=real["ids"] + " ids, " + real["node"])
    axes = {"xlabel": "addresses of the attacker", "ylabel": "share of searches that find nobody"}
    return [*figures, plot.lines(real, "attackers", "hidden", by="curve", mean=True, **axes)]


def verdict(data):
    hidden = data.dropna(subset=["hidden"]).groupby(["ids", "node", "attackers"])["hidden"].mean()
    many = data.dropna(subset=["formula"])
    return {
        "free to choose their ids, 16 hide most peers from a node without our widening": hidden["free", "narrow", 16]
        > 0.5,
        "our node finds most beside them": hidden["free", "ours", 16] < 0.5,
        "bound by BEP 42, 16 hide nobody": hidden["bound"].xs(16, level="attackers").max() == 0,
        "a prefix is reached as often as the formula says": bool((many["first"] - many["formula"]).abs().max() < 0.01),
    }
