"""Which share of pairs of peers can connect, by TCP, by uTP, and with hole punching?

    magnetite simulate nat_mix

Published: of 3.6 million hosts a third were open, 31.3 % behind port-restricted or symmetric translation, 10.6 % behind
a firewall, 2.7 % behind a full cone (see `simnet.nat.MIX`, which says what is assumed besides). BEP 55 has a peer that
both know bring together two who cannot dial each other; it cannot help two symmetric ones.

Set-up: production clients, leechers and seeds of each kind, and one open relay that all know from the start; after that
they learn of each other by PEX, as in a swarm, and dial by themselves. Nobody is ever done, for seeds serve nobody. A
pair counts as connected when it has been for a moment in five minutes, whoever dialled; two seeds have no reason to.
`ways`: TCP alone; uTP beside it; uTP and hole punching. Punching is switched off by a `Punching.ask` that asks nobody.
Pairs are weighed by the shares of their kinds in MIX.

What to expect: two leechers that hear of each other in the same minute dial each other by uTP, and so open their own
routers for one another with nobody's help. Seeds dial nobody here, as those of many clients do not (SEED_DIALS = 0; our
own dial a few): to reach one takes a relay.
"""

from itertools import combinations, product

import pandas
import trio

from magnetite.events import PeerConnected
from magnetite.simnet import NatKind
from magnetite.simnet.nat import MIX
from magnetite.study import plot
from magnetite.study.agents.chokers import FreeRider
from magnetite.study.altered import altered
from magnetite.study.figures import Table

KiB, MiB = 1 << 10, 1 << 20
WAYS = ["TCP", "TCP, uTP", "TCP, uTP, punching"]
FULL = {"ways": WAYS, "each": 3, "seeds": 3}
SMALL = {"ways": WAYS, "each": 1}


async def measure(world, ways, each):
    magnet = world.torrent(16 * MiB, piece_length=16 * KiB, by_reference=True)
    relay, met, known = world.host(), set(), []
    no_punching = {} if "punching" in ways else {"swarm.holepunch.Punching.ask": lambda *_: False}
    with altered({"swarm.membership.SEED_DIALS": 0, **no_punching}):
        await join(world, relay, magnet, [], ways, met)
        for kind, role in list(product(NatKind, ("leecher", "seed"))) * each:
            host = world.host(nat=kind)
            known.append((host.public_ip, kind.name.lower().replace("_", " "), role))
            if role == "seed":
                content = world.content(magnet)
                world.disk(host).put(content.metainfo.info_hash, content.storage(is_complete=True))
            await join(world, host, magnet, [(relay.ip, 6881)], ways, met)
        await trio.sleep(300)
    for (one, kind, role), (other, other_kind, other_role) in combinations(known, 2):
        if "leecher" in (role, other_role):
            roles = " and ".join(sorted((role, other_role)))
            pair = " - ".join(sorted((kind, other_kind)))
            world.record(pair=pair, roles=roles, connected=frozenset((one, other)) in met)


async def join(world, host, magnet, peers, ways, met):
    def observe(event):
        if isinstance(event, PeerConnected):
            met.add(frozenset((host.public_ip, event.endpoint.ip)))

    client = await world.keep(world.client(host, observe=observe, make_choker=FreeRider, utp=ways != "TCP"))
    await client.add(world.metainfo(magnet), peers=peers)


def by_pair(data):
    """Shares of pairs that connected, by kinds, and how many of all pairs are of those kinds."""
    table = data.pivot_table(index="pair", columns="ways", values="connected", aggfunc="mean").astype(float)[WAYS]
    names = {kind.name.lower().replace("_", " "): share for kind, share in MIX.items()}
    ends = [pair.split(" - ") for pair in table.index]
    table["of all pairs"] = [names[one] * names[other] * (1 if one == other else 2) for one, other in ends]
    return table


def shares(data):
    """Of all pairs in MIX: a row for each two roles, a column for each of the ways."""
    rows = {}
    for roles, part in data.groupby("roles"):
        table = by_pair(part)
        weights = table["of all pairs"] / table["of all pairs"].sum()  # kinds that were there once have no twin
        rows[roles] = table[WAYS].mul(weights, axis=0).sum()
    return pandas.DataFrame(rows).T.rename_axis(index="pairs")


def figures(data):
    runs = [shares(run).stack().rename("share").reset_index().assign(seed=seed) for seed, run in data.groupby("seed")]
    every = pandas.concat(runs).rename(columns={"level_1": "ways"})
    kinds = [Table(f"By kinds, {roles}", by_pair(part)) for roles, part in data.groupby("roles")]
    picture = plot.lines(every, "ways", "share", by="pairs", xlabel="", ylabel="pairs that connect [share of all]")
    picture.axes[0].set_ylim(0, 1)
    return [Table("Pairs that connect, weighed by MIX", shares(data)), *kinds, picture]


def verdict(data):
    leechers, seeds = (shares(data).loc[f"leecher and {role}"] for role in ("leecher", "seed"))
    tcp, utp, punching = WAYS
    return {
        "by TCP two leechers connect where one is open: 56 % of pairs": bool(0.53 < leechers[tcp] < 0.6),
        "a seed that dials nobody is reached by TCP where it is open: a third": bool(0.3 < seeds[tcp] < 0.37),
        "two leechers connect by uTP alone wherever punching could help": bool(
            leechers[utp] > leechers[tcp] + 0.2 and leechers[utp] >= leechers[punching] - 0.02
        ),
        "it takes hole punching to reach seeds behind routers: it doubles who is reached": bool(
            seeds[punching] > 2 * seeds[utp]
        ),
    }
