"""What does a strategic peer gain, and what if all are strategic?

    magnetite simulate bittyrant

Published: Piatek et al. ("Do incentives build robustness in BitTorrent?", 2007): one BitTyrant among ordinary peers,
who serves those that give most for what they cost and no others, downloads up to 70 % faster in the median, most where
it has much to give. Where all are such and give all they can, the swarm as a whole is no slower.

Set-up: production clients, all at once, who leave when they are done; one seed, four times as fast as most. Every fifth
peer has four times the uplink of the others; `tyrants` says who is strategic: nobody, one of the fast peers, or all.
Run by run the same hosts have the same lines, so that the one is compared with itself. Places are 16, so that not all
know all, and everybody else serves four at once, as was usual then. Our strategist chooses whom to serve, and does not
limit what each gets, which is where much of the original's gain comes from.
"""

from functools import partial

import trio

from magnetite.simnet import Link
from magnetite.study import plot
from magnetite.study.agents.chokers import tyrant
from magnetite.study.figures import Table
from magnetite.swarm.choker import TitForTat
from magnetite.swarm.places import Places

KiB, MiB = 1 << 10, 1 << 20
SLOTS = 4
FULL = {"tyrants": ["nobody", "one", "all"], "peers": 30, "size": 6 * MiB, "up": 48 * KiB, "seeds": 3}
SMALL = {"tyrants": ["nobody", "one"], "peers": 10, "size": 1 * MiB, "up": 48 * KiB}


async def measure(world, tyrants, peers, size, up):
    magnet = await world.seed(size, Link(up=4 * up), piece_length=64 * KiB, by_reference=True, utp=False)
    async with trio.open_nursery() as nursery:
        for number in range(peers):
            rate = up if number % 5 else 4 * up
            is_one = number == peers // 10 * 5  # a fast one, in the middle of those who come
            strategic = tyrants == "all" or (tyrants == "one" and is_one)
            choker = tyrant(rate) if strategic else partial(TitForTat, slots=SLOTS)
            host = world.host(Link(up=rate, down=16 * up))
            nursery.start_soon(fetch, world, host, magnet, choker, is_one, "fast" if rate > up else "slow")


async def fetch(world, host, magnet, choker, is_one, line):
    async with world.client(host, make_choker=choker, places=Places(16), utp=False) as client:
        download = await client.add(magnet, peers=world.peers(magnet, host))
        await download.completed()
        world.record(kind="the one" if is_one else line, seconds=world.now)


def summary(data):
    table = data.pivot_table(index="tyrants", columns="kind", values="seconds", aggfunc="median")
    table["all"] = data.groupby("tyrants")["seconds"].mean()
    return table.rename_axis(index="strategic")


def figures(data):
    return [
        Table("Seconds until done, medians; the mean of all", summary(data)),
        plot.cdf(data, "seconds", by="tyrants", xlabel="until done [s]"),
    ]


def verdict(data):
    table = summary(data)
    one, everybody = table["the one"], table["all"]
    claims = {
        "others are hardly slower for the one: by a fifth at most": bool(everybody["one"] < 1.2 * everybody["nobody"]),
    }
    if "all" in table.index:
        claims |= {
            "the one gains a tenth by it, at least": bool(one["one"] <= 0.9 * one["nobody"]),
            "where all are strategic, and give all they can, the mean is no longer": bool(
                everybody["all"] <= everybody["nobody"]
            ),
        }
    return claims
