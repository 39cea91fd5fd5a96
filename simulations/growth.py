"""How fast does the capacity of a swarm grow, when all come at once and one has what they want?

    magnetite simulate growth

Published: Yang and de Veciana ("Service capacity of peer to peer networks", 2004) show that capacity grows
exponentially in a flash crowd: where each serves one other at a time, holders double every round. A first model had 2,
4, 8, 16, 32, 63 and 118 holders among 128.

Set-up: production clients, all at once, each told of those who came before; one seed; equal uplinks, downlinks of eight
times that. A round is the time that an uplink needs for a piece, and the interval of the choker. A holder is who has a
whole piece, so that it can serve. `slots` is how many peers each serves at once. `fast` is whether newcomers may ask
for some pieces while they are choked, as BEP 6 says and production clients do: it is switched off in the other runs by
an empty set in the place of `allowed_fast_set`, and seeds that welcome nobody.

What to expect: more than a round for a doubling. Holders want other pieces, too, and compete with those who have none;
with more slots a piece takes longer to arrive, and more arrive together.
"""

from functools import partial
from math import log2

import pandas
import trio

from magnetite.simnet import Link
from magnetite.study import plot
from magnetite.study.altered import altered
from magnetite.study.figures import Table
from magnetite.swarm.choker import CHOKE_INTERVAL, TitForTat
from magnetite.swarm.company import ignore
from magnetite.swarm.places import Places

KiB = 1 << 10
ROUND = CHOKE_INTERVAL
FULL = {"slots": [1, 4], "fast": [False, True], "peers": 63, "pieces": 16, "piece": 64 * KiB, "seeds": 2}
SMALL = {"slots": 1, "fast": [False], "peers": 15, "pieces": 8, "piece": 32 * KiB}


async def measure(world, slots, fast, peers, pieces, piece):
    up = piece / ROUND
    link = Link(up=up, down=8 * up)
    options = {"make_choker": partial(TitForTat, slots=slots), "places": Places(16), "utp": False}
    without = {"swarm.introduction.allowed_fast_set": lambda *_: [], "swarm.suggestions.Suggestions.welcome": ignore}
    with altered({} if fast else without):
        magnet = await world.seed(pieces * piece, link, piece_length=piece, **options)
        for host in world.hosts(peers, link):
            await world.download(host, magnet, knows_metainfo=True, **{**options, "places": Places(16)})
        began, holders = world.now, 1
        while holders <= peers:
            await trio.sleep(ROUND / 4)
            holders = sum(each.present > 0 for each in world.content(magnet).storages)
            world.record(round=(world.now - began) / ROUND, holders=holders)


def doublings(data):
    """Rounds a doubling, of each run: in the first half of the growth from 2 to half the peers, and in the second."""
    rows = []
    for names, run in data.groupby(["slots", "fast", "seed"]):
        half = (int(run["peers"].iloc[0]) + 1) // 2
        middle = (2 * half) ** 0.5
        reached = {count: run[run["holders"] >= count]["round"].min() for count in (2, middle, half)}
        first, second = log2(middle) - 1, log2(half) - log2(middle)
        early, late = (reached[middle] - reached[2]) / first, (reached[half] - reached[middle]) / second
        rows.append([*names, reached[2], early, late, run["round"].max()])
    columns = ["slots", "fast", "seed", "until the first", "a doubling, early", "a doubling, late", "until the last"]
    return pandas.DataFrame(rows, columns=columns)


def figures(data):
    named = data.assign(
        kind=[f"{s} slots{', allowed fast' * f}" for s, f in zip(data["slots"], data["fast"], strict=True)]
    )
    table = doublings(data).drop(columns="seed").groupby(["slots", "fast"]).mean()
    picture = plot.lines(named, "round", "holders", by="kind", xlabel="rounds", ylabel="peers with a piece", log="y")
    return [Table("Rounds (an uplink's time for a piece), means of the seeds", table), picture]


def verdict(data):
    table = doublings(data[~data["fast"]])
    early, late = table["a doubling, early"].mean(), table["a doubling, late"].mean()
    claims = {
        "growth is exponential: late doublings take as long as early ones, within a factor of two": bool(
            0.5 < late / early < 2
        ),
    }
    if data["peers"].min() >= 63:
        one = table[table["slots"] == 1]
        pace = one[["a doubling, early", "a doubling, late"]].to_numpy().mean()
        claims["with one slot holders double every round, within a half"] = bool(pace <= 1.5)
    return claims
