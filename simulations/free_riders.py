"""What does it cost to give nothing, when seeds are few, and when they abound?

    magnetite simulate free_riders

Published: Cohen ("Incentives build robustness in BitTorrent", 2003) designed tit-for-tat to serve those who serve. Qiu
and Srikant (2004) have free riders live on optimistic unchoking, a quarter of the slots then; Locher et al. ("Free
riding in BitTorrent is cheap", 2006) got downloads as fast as others' where seeds abound, for a seed does not ask what
one gives. A fifth of the peers ride free here.

Set-up: production clients, all at once, who leave when they are done; seeds with uplinks four times as fast, lest all
wait for the new pieces of a lone one. Everybody has as many places for connections as chance gives, 8 to 16, riders
like others: where all know all, all meet the same. Everybody serves four at once, as was usual then. A rider gives
nothing but what BEP 6 has a client promise to newcomers: ten pieces, the same ones whoever they ask.

What to expect: little of a penalty. Contributors have a handicap that models leave out: what they ask for waits in line
behind what they give. Slots at seeds and pieces allowed fast feed riders, too.
"""

from functools import partial

import trio

from magnetite.simnet import Link
from magnetite.study import plot
from magnetite.study.agents.chokers import FreeRider
from magnetite.study.figures import Table
from magnetite.swarm.choker import TitForTat
from magnetite.swarm.places import Places

KiB, MiB = 1 << 10, 1 << 20
SLOTS = 4
FULL = {"providers": [1, 3, 9], "peers": 40, "size": 8 * MiB, "up": 64 * KiB, "seeds": 3}
SMALL = {"providers": [1, 10], "peers": 12, "size": 2 * MiB, "up": 64 * KiB}


async def measure(world, providers, peers, size, up):
    link = Link(up=up, down=8 * up)
    magnet = world.torrent(size, piece_length=64 * KiB, by_reference=True)
    for host in world.hosts(providers, Link(up=4 * up)):
        await world.share(host, magnet, make_choker=partial(TitForTat, slots=SLOTS), utp=False)
    chance = world.rng("riders")
    riders = set(chance.sample(range(peers), peers // 5))
    async with trio.open_nursery() as nursery:
        for number, host in enumerate(world.hosts(peers, link)):
            nursery.start_soon(fetch, world, host, magnet, number in riders, chance.randint(8, 16))


async def fetch(world, host, magnet, rides, degree):
    choker = FreeRider if rides else partial(TitForTat, slots=SLOTS)
    began = world.now
    async with world.client(host, make_choker=choker, places=Places(degree), utp=False) as client:
        download = await client.add(magnet, peers=world.peers(magnet, host))
        await download.completed()
        kind = "free rider" if rides else "contributor"
        world.record(kind=kind, seconds=world.now - began, uploaded=download.progress().uploaded)


def summary(data):
    table = data.pivot_table(index="providers", columns="kind", values="seconds", aggfunc="median")
    table["times as long"] = table["free rider"] / table["contributor"]
    return table.rename_axis(index="seeds of the torrent")


def figures(data):
    return [
        Table("Seconds until done, medians", summary(data)),
        plot.lines(data, "providers", "seconds", by="kind", xlabel="seeds", ylabel="until done [s]", log="xy"),
    ]


def verdict(data):
    penalty = summary(data)["times as long"]
    riders = data[data["kind"] == "free rider"]
    claims = {
        "free riders give less than a fifth of what they get": bool((riders["uploaded"] < riders["size"] / 5).all()),
        "the penalty shrinks where seeds abound": bool(penalty.iloc[-1] < penalty.iloc[0]),
    }
    if data["peers"].min() >= 40:  # with fewer, chance has more to say
        claims |= {
            "with one seed free riders wait a tenth longer, at least": bool(penalty.iloc[0] >= 1.1),
            "where seeds abound they wait no longer": bool(penalty.iloc[-1] <= 1),
        }
    return claims
