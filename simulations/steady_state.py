"""How long does a download take where peers come and go for ever, and how many are there?

    magnetite simulate steady_state

Published: Qiu and Srikant ("Modeling and performance analysis of BitTorrent-like peer-to-peer networks", 2004): with
arrivals at the rate l, uploads at mu and downloads at c files/s, and seeds that leave at the rate gamma, a download
takes T = max{1/c, (1/eta)(1/mu - 1/gamma)}, whatever l; there are l T leechers and l / gamma seeds. eta, the share of
their uplinks that leechers can use, is near 1.

Set-up: production clients; Poisson arrivals; whoever is done seeds on for a time drawn from an exponential
distribution. One seed never leaves: it begins with four uplinks, and after a quarter of the time has a quarter of one.
The model knows of none; but chance has all others leave at times, and all who wait for one piece would fill the swarm.
It serves one at a time, for the piece to be with others soon. Counted are those who come after a third of the time, and
not in the last 2 T.

What to expect: an eta well below 1. A torrent of 32 pieces has leechers wait for slots, ten seconds at a time, and hold
much the same pieces; the model has neither.
"""

from functools import partial

import trio

from magnetite.simnet import Link
from magnetite.simnet.churn import poisson
from magnetite.study import plot
from magnetite.study.figures import Table
from magnetite.swarm.choker import TitForTat

KiB = 1 << 10
FULL = {"rate": [1 / 48, 1 / 24, 1 / 12], "size": 2048 * KiB, "up": 8 * KiB, "stay": 128, "hours": 1.0}
SMALL = {"rate": [1 / 32, 1 / 16], "size": 256 * KiB, "up": 8 * KiB, "stay": 16, "hours": 0.1}


async def measure(world, rate, size, up, stay, hours):
    link = Link(up=up, down=8 * up)
    magnet = world.torrent(size, piece_length=max(16 * KiB, size // 32), by_reference=True)
    one_slot = partial(TitForTat, slots=1)
    lasting = await world.share(world.host(Link(up=4 * up)), magnet, make_choker=one_slot, utp=False)
    present = {"leechers": 0, "swarm_seeds": 0}
    until = hours * 3600
    world.start(sample, world, present)
    for time in poisson(rate, world.rng("arrivals")):
        await world.at(min(time, until))
        if world.now >= until / 4:
            lasting.limit(upload=up / 4)
        if world.now >= until:
            break
        world.start(visit, world, world.host(link), magnet, stay, present)


async def visit(world, host, magnet, stay, present):
    came = world.now
    present["leechers"] += 1
    async with world.client(host, utp=False) as client:
        download = await client.add(magnet, peers=world.peers(magnet, host))
        await download.completed()
        present["leechers"] -= 1
        present["swarm_seeds"] += 1
        world.record(came=came, seconds=world.now - came)
        await trio.sleep(world.rng("stays").expovariate(1 / stay))
    present["swarm_seeds"] -= 1


async def sample(world, present):
    while True:
        await trio.sleep(10)
        world.record(time=world.now, **present)


def expected(data):
    """1 / c, and T with eta = 1, in seconds."""
    upload, stay = (data["size"] / data["up"]).iloc[0], data["stay"].iloc[0]
    return upload / 8, max(upload / 8, upload - stay)


def summary(data):
    end, wait = 3600 * data["hours"].iloc[0], expected(data)[1]
    begun = data[(data["came"] > end / 3) & (data["came"] < end - 2 * wait)]
    table = begun.groupby("rate")["seconds"].agg(["count", "mean"]).rename(columns={"mean": "T"})
    table["T / model"] = table["T"] / wait
    later = data[data["time"] > end / 3].groupby("rate")[["leechers", "swarm_seeds"]].mean()
    table["leechers"] = later["leechers"]
    table["l T"] = table.index * table["T"]
    table["seeds"] = later["swarm_seeds"]
    table["l / gamma"] = table.index * float(data["stay"].iloc[0])
    return table.rename(columns={"count": "downloads"})


def figures(data):
    times = data[data["seconds"].notna()]
    picture = plot.lines(times, "rate", "seconds", xlabel="arrivals [1/s]", ylabel="download [s]", log="x")
    picture.axes[0].axhline(expected(data)[1], linestyle="--", color="0.4", label="T by the model, eta = 1")
    picture.axes[0].legend()
    counts = data[data["time"].notna()]
    return [
        Table(f"Means; the model's T is {expected(data)[1]:.0f} s with eta = 1", summary(data)),
        picture,
        plot.series(counts, "leechers", by="rate", ylabel="leechers"),
    ]


def verdict(data):
    table = summary(data)
    claims = {
        "nobody is faster than the line down allows": bool((data["seconds"].dropna() >= expected(data)[0]).all()),
        "there are about l T leechers, within a factor of two": bool(
            (table["leechers"] / table["l T"]).between(0.5, 2).all()
        ),
    }
    if data["hours"].min() >= 1:
        claims |= {
            "T hardly depends on l: within a factor of 1.5": bool(table["T"].max() < 1.5 * table["T"].min()),
            "there are l / gamma seeds, within a third": bool(
                (table["seeds"] / table["l / gamma"]).between(0.67, 1.5).all()
            ),
            "T is that of the model with eta = 1, within a quarter": bool(table["T / model"].between(0.75, 1.25).all()),
        }
    return claims
