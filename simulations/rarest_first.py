"""What does picking the rarest piece first gain over picking at random, and over picking in order?

    magnetite simulate rarest_first

Published: n peers of equal uplinks, of whom one has P pieces, cannot all have them before P + ceil(log2 n) rounds, in
each of which every uplink carries one piece. Legout et al. ("Rarest first and choke algorithms are enough", 2006) find
in real swarms that with rarest first nearly every peer always wants something of nearly every other. A first model of
such a crowd, in which everybody knows what is under way, had an interest of 0.9 by rarest first, 0.7 at random and 0.16
in order, and rarest first within 1.15 of the optimum.

Set-up: production clients, all at once; one seed, for whom super-seeding is tried, too; equal uplinks, and downlinks of
eight times that, so that uplinks are the limit. Who is done goes on to upload. Interest is sampled every
eight rounds, over all pairs of those who have something and not everything: all are connected.

What to expect: the seed's uplink decides. Eight peers whom it serves at once do not know what the others ask of it, and
what it sends twice keeps all waiting. So the distance from the optimum shrinks with more pieces, and by super-seeding.
"""

from math import ceil, log2

import trio

from magnetite.simnet import Link
from magnetite.study import plot
from magnetite.study.agents.pickers import AtRandom, InOrder
from magnetite.study.figures import Table
from magnetite.swarm.picker import PiecePicker

KiB = 1 << 10
PICKERS = {"rarest first": PiecePicker, "at random": AtRandom, "in order": InOrder, "super-seed": PiecePicker}
FULL = {"picking": [*PICKERS], "peers": 16, "pieces": 256, "piece": 64 * KiB, "seeds": 2}
SMALL = {"picking": [*PICKERS][:3], "peers": 6, "pieces": 32, "piece": 64 * KiB}


async def measure(world, picking, peers, pieces, piece):
    link = Link(up=piece, down=8 * piece)  # a round is a second
    magnet = world.torrent(pieces * piece, piece_length=piece, by_reference=True)
    await world.share(world.host(link), magnet, super_seed=picking == "super-seed", utp=False)
    world.start(sample, world, magnet)
    async with trio.open_nursery() as nursery:
        for host in world.hosts(peers, link):
            nursery.start_soon(fetch, world, host, magnet, PICKERS[picking])


async def fetch(world, host, magnet, picker):
    download = await world.download(host, magnet, make_picker=picker, utp=False)
    await download.completed()
    world.record(rounds=world.now)


async def sample(world, magnet):
    while True:
        await trio.sleep(8)
        world.record(time=world.now, interest=world.interest(magnet))


def summary(data):
    table = data.groupby("picking")[["rounds", "interest"]].agg({"rounds": ["median", "max"], "interest": "mean"})
    table.columns = ["rounds, median", "rounds, the last", "interest"]
    table["the last / optimum"] = table["rounds, the last"] / optimum(data)
    return table.sort_values("rounds, the last")


def figures(data):
    interest = data[data["interest"].notna()]
    return [
        Table(
            f"Rounds until all have everything, of {optimum(data)} at least; interest, averaged over time",
            summary(data),
        ),
        plot.series(interest, "interest", by="picking", ylabel="interest [share of pairs]"),
        plot.cdf(data[data["rounds"].notna()], "rounds", by="picking", xlabel="rounds until a peer had everything"),
    ]


def verdict(data):
    table = summary(data)
    last, interest = table["rounds, the last"], table["interest"]
    claims = {
        "nobody is faster than the optimum": bool((last >= optimum(data)).all()),
        "rarest first is faster than in order": bool(last["rarest first"] < last["in order"]),
        "with rarest first more want something of each other than in order": bool(
            interest["rarest first"] > interest["in order"]
        ),
    }
    if data["pieces"].min() >= 256:
        claims |= {
            "rarest first is within 1.15 of the optimum": bool(last["rarest first"] <= 1.15 * optimum(data)),
            "rarest first is faster than at random": bool(last["rarest first"] < last["at random"]),
            "with a super-seed it is within 1.15 of the optimum": bool(last["super-seed"] <= 1.15 * optimum(data)),
            "the interest is 0.9 or more by rarest first": bool(interest["rarest first"] >= 0.9),
        }
    return claims


def optimum(data):
    """Rounds."""
    return int(data["pieces"].iloc[0]) + ceil(log2(int(data["peers"].iloc[0]) + 1))
