"""How fast does the capacity of a swarm grow, when all come at once and one has what they want?

    magnetite simulate growth

Published: Yang and de Veciana ("Service capacity of peer to peer networks", 2004) show that capacity grows
exponentially in a flash crowd: where each passes on one piece a round, holders double every round. A first model had 2,
4, 8, 16, 32, 63 and 118 holders among 128.

Set-up: production clients, all at once, told of those who came before; one seed; equal uplinks, downlinks of eight
times that. A round is the time that one uplink needs for a piece. A holder is who has a whole piece, so that it can
serve. `slots` is how many peers each serves at once: with s slots the first pieces arrive after s rounds, and s come
together, so that holders can grow by 1 + s in s rounds at best. Newcomers compete with holders, who want other pieces.
"""

from functools import partial

import trio

from magnetite.simnet import Link
from magnetite.study import plot
from magnetite.study.figures import Table
from magnetite.swarm.choker import TitForTat

KiB = 1 << 10
ROUND = 30.0
FULL = {"slots": [1, 4, 8], "pieces": 16, "peers": 63, "piece": 64 * KiB, "seeds": 3}
SMALL = {"slots": [1, 4], "pieces": 4, "peers": 15, "piece": 32 * KiB}


async def measure(world, slots, pieces, peers, piece):
    up = piece / ROUND
    link = Link(up=up, down=8 * up)
    choker = partial(TitForTat, slots=slots)
    magnet = await world.seed(pieces * piece, link, piece_length=piece, make_choker=choker, utp=False)
    for host in world.hosts(peers, link):
        await world.download(host, magnet, knows_metainfo=True, make_choker=choker, utp=False)
    began = world.now
    while (holders := sum(each.present > 0 for each in world.content(magnet).storages)) <= peers:
        world.record(round=(world.now - began) / ROUND, holders=holders)
        await trio.sleep(ROUND / 4)
    world.record(round=(world.now - began) / ROUND, holders=holders)
