"""How soon does a newcomer know others, by the DHT alone, and what does peer exchange add?

    magnetite simulate pex

Published: Wu et al. ("Understanding peer exchange in BitTorrent systems", 2010) find that PEX gives more peers sooner
than trackers and the DHT, and shortens downloads. BEP 11 allows a message a minute.

Set-up: production clients and DHT: 300 residents, 30 % of their contacts dead. Members, who share a torrent, have
announced themselves and know each other; then newcomers come, one every ten seconds. `ways` says what they have: the
DHT alone (they are told nothing by PEX, whose messages are dropped before they are read), the DHT and PEX, or PEX and
one peer that they were told of, and no DHT. Counted are the distinct peers each has heard of by then, and the queries
it has sent in lookups of its own.
"""

import trio

from magnetite.events import LookupFinished, PeerFound, Source
from magnetite.simnet import CABLE
from magnetite.study import plot
from magnetite.study.altered import altered
from magnetite.study.figures import Table

KiB = 1 << 10
TOLD = (Source.DHT, Source.PEX, Source.USER)
WAYS = ["DHT", "DHT and PEX", "one peer and PEX"]
FULL = {"ways": WAYS, "members": 40, "residents": 300, "newcomers": 6, "seeds": 2}
SMALL = {"ways": WAYS, "members": 8, "residents": 50, "newcomers": 1}


async def measure(world, ways, members, residents, newcomers):
    await world.dht(residents, dead=0.3)
    magnet = world.torrent(256 * KiB, by_reference=True)  # which nobody has: all stay who they are
    others = world.hosts(members, CABLE)
    for host in others:
        await world.download(host, magnet, knows_metainfo=True, utp=False)
    await world.at(120)
    deaf = {"swarm.gossip.Gossip.may_hear": lambda self, now: False}
    with altered(deaf if ways == "DHT" else {}):
        for _ in range(newcomers):
            world.start(newcomer, world, magnet, ways, others[0])
            await trio.sleep(10)
        await trio.sleep(60)


async def newcomer(world, magnet, ways, friend):
    came, known, queries = world.now, set(), [0]

    def observe(event):
        if isinstance(event, PeerFound) and event.endpoint not in known and event.source in TOLD:
            known.add(event.endpoint)
            world.record(known=len(known), seconds=event.time - came, source=event.source.value)
        elif isinstance(event, LookupFinished):
            queries[0] += event.asked

    has_dht = ways != "one peer and PEX"
    options = {} if has_dht else {"dht": False, "bootstrap": []}
    async with world.client(world.host(CABLE), observe=observe, utp=False, **options) as client:
        await client.add(world.metainfo(magnet), peers=[] if has_dht else [(friend.ip, 6881)])
        await trio.sleep(60)
        world.record(queries=queries[0], in_all=len(known))


def summary(data):
    ends = data[data["queries"].notna()].groupby("ways")[["in_all", "queries"]].median()
    members = int(data["members"].iloc[0])
    for count in (1, members // 4, members // 2, members * 9 // 10):
        times = data[data["known"] == count].groupby("ways")["seconds"].median()
        ends[f"seconds until {count} known"] = times
    return ends.rename(columns={"in_all": "known after a minute"})


def figures(data):
    heard = data[data["known"].notna()]
    return [
        Table("A newcomer's first minute, medians", summary(data)),
        plot.lines(
            heard, "known", "seconds", by="ways", xlabel="peers known", ylabel="time since it came [s]", log="y"
        ),
    ]


def verdict(data):
    table = summary(data)
    half = f"seconds until {int(data['members'].iloc[0]) // 2} known"
    return {
        "by the DHT alone a newcomer knows half of the swarm within a minute": bool(table[half]["DHT"] < 60),
        "with PEX it knows half as soon, or sooner": bool(table[half]["DHT and PEX"] <= 1.05 * table[half]["DHT"]),
        "by one peer and PEX it needs no query": bool(table["queries"]["one peer and PEX"] == 0),
    }
