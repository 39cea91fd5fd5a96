"""How long is the wait for the last pieces, with and without the endgame?

    magnetite simulate last_piece

Published: Cohen ("Incentives build robustness in BitTorrent", 2003) has a peer ask all others for what is missing once
everything has been asked for, lest the end hang on whoever is slowest. The tail of the last 1 or 2 % is to go.

Set-up: a production client, alone with ten seeds whose uplinks are spread over two orders of magnitude, by chance. The
endgame is switched off by ENDGAME_COPIES = 1 in the place of 3, and endless patience with that one. The tail is the
time from 98 % of the pieces to 100 %; what it would be at the rate of the time before is two parts of 98.
"""

from math import inf

from magnetite.events import PieceVerified
from magnetite.simnet import Link
from magnetite.study import plot
from magnetite.study.altered import altered
from magnetite.study.figures import Table

KiB, MiB = 1 << 10, 1 << 20
FULL = {"copies": [1, 3], "size": 12 * MiB, "providers": 10, "seeds": 20}
SMALL = {"copies": [1, 3], "size": 2 * MiB, "providers": 5, "seeds": 2}


async def measure(world, copies, size, providers):
    magnet = world.torrent(size, piece_length=size // 100, by_reference=True)
    for _ in range(providers):
        rate = 2 * KiB * 100 ** world.rng("rates").random()
        await world.share(world.host(Link(up=rate)), magnet, utp=False)
    times = [world.now]

    def observe(event):
        if isinstance(event, PieceVerified):
            times.append(event.time)

    patience = {} if copies > 1 else {"swarm.requests.ENDGAME_PATIENCE": inf}
    with altered({"swarm.requests.ENDGAME_COPIES": copies, **patience}):
        download = await world.download(world.host(), magnet, observe=observe, utp=False)
        await download.completed()
    spent = [time - times[0] for time in times]
    for share in range(80, 101):
        world.record(share=share, seconds=spent[share * (len(spent) - 1) // 100])
    at_98, whole = spent[98 * (len(spent) - 1) // 100], spent[-1]
    world.record(tail=whole - at_98, longer=(whole / at_98 - 1) * 100, whole=whole)


def kinds(data):
    return data.assign(endgame=data["copies"].map({1: "without endgame", 3: "with endgame"}))


def figures(data):
    whole = kinds(data[data["tail"].notna()])
    table = whole.groupby("endgame")[["whole", "tail", "longer"]].median()
    table["longest tail"] = whole.groupby("endgame")["tail"].max()
    table.columns = ["seconds in all", "of them after 98 %", "% longer by them", "longest tail"]
    shares = kinds(data[data["share"].notna()])
    return [
        Table("The last 2 %, medians", table),
        plot.lines(shares, "share", "seconds", by="endgame", xlabel="pieces there [%]", ylabel="time [s]"),
        plot.cdf(whole, "longer", by="endgame", xlabel="time for the last 2 % [% of that for 98 %]"),
    ]


def verdict(data):
    longer = data[data["longer"].notna()].groupby("copies")["longer"].median()
    return {
        "without the endgame the last 2 % take longer": bool(longer[1] > longer[3]),
        "with it they take less than a tenth of the time before": bool(longer[3] < 10),
    }
