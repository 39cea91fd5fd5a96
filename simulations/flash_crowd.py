"""How long does a flash crowd of n take, when one seed has what all of them want at the same moment?

    magnetite simulate flash_crowd

Published: Kumar and Ross (2006) give the lower bound for equal uplinks: the content must leave the seed once, and n
copies must leave all uplinks together. Yang and de Veciana (2004) show that capacity grows exponentially, so that the
time hardly depends on n.

Set-up: production clients, real bytes and hashes; one seed, 1 MiB/s up and 8 MiB/s down each; whoever is done goes on
to upload. Everybody is told of those who came before.
"""

import trio

from magnetite.simnet import Link
from magnetite.study import plot
from magnetite.study.figures import Table

KiB, MiB = 1 << 10, 1 << 20
FULL = {"crowd": [1, 2, 4, 8, 16, 32], "size": 24 * MiB, "up": 1 * MiB, "seeds": 3}
SMALL = {"crowd": [1, 4], "size": 2 * MiB, "up": 256 * KiB}


async def measure(world, crowd, size, up):
    link = Link(up=up, down=8 * up)
    magnet = await world.seed(size, link, piece_length=size // 64)
    async with trio.open_nursery() as nursery:
        for host in world.hosts(crowd, link):
            nursery.start_soon(fetch, world, host, magnet)


async def fetch(world, host, magnet):
    download = await world.download(host, magnet)
    await download.completed()
    world.record(seconds=world.now)


def figures(data):
    table = data.groupby("crowd")["seconds"].agg(["median", "max"])
    table["max / bound"] = table["max"] / bound(data)
    picture = plot.lines(data, "crowd", "seconds", xlabel="peers in the crowd", ylabel="until done [s]", log="x")
    picture.axes[0].axhline(bound(data), linestyle="--", color="0.4")
    return [Table("Seconds until the crowd has everything", table), picture]


def verdict(data):
    last = data.groupby("crowd")["seconds"].max()
    return {
        "nobody is faster than the bound": bool((data["seconds"] >= bound(data)).all()),
        "the largest crowd takes less than three times the bound": bool(last.iloc[-1] < 3 * bound(data)),
    }


def bound(data):
    """Seconds: with equal uplinks the seed's one copy is the limit, whatever the size of the crowd."""
    return float((data["size"] / data["up"]).iloc[0])
