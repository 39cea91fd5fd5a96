"""How long does a flash crowd of n take, when one seed has what all of them want at the same moment?

    python simulations/flash_crowd.py [--seed N]

Production clients on a virtual network: every message is encoded, sent, parsed and checked as on a real one. The lower
bound is that of Kumar and Ross (2006) for equal uplinks: the content must leave the seed once, and n copies must leave
all uplinks together.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha1
from random import Random

import trio
from rich.console import Console
from rich.table import Table

from magnetite import simnet
from magnetite.client import open_client
from magnetite.simnet.latency import coordinates
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.swarm import OpenStorage
from magnetite.torrent.create import encode_info
from magnetite.torrent.metainfo import Metainfo, decode_info

MiB = 1 << 20
PORT = 6881
SIZE = 24 * MiB
PIECE = 256 << 10
LINK = simnet.Link(up=1 * MiB, down=8 * MiB)  # bytes/s, everybody's
CROWDS = (1, 2, 4, 8, 16)


def in_memory(storage: MemoryStorage) -> OpenStorage:
    @asynccontextmanager
    async def opened(metainfo: Metainfo, wanted: frozenset[int]) -> AsyncIterator[MemoryStorage]:
        yield storage

    return opened


def torrent() -> tuple[Metainfo, list[bytes]]:
    data = Random(0).randbytes(SIZE)
    pieces = [data[at : at + PIECE] for at in range(0, SIZE, PIECE)]
    hashes = b"".join(sha1(piece).digest() for piece in pieces)
    return decode_info(encode_info([(("crowd.bin",), SIZE)], PIECE, hashes)), pieces


async def crowd(size: int, fabric: simnet.Fabric, rng: Random) -> list[float]:
    """When each of the crowd had everything, in seconds. Whoever is done goes on to upload."""
    metainfo, pieces = torrent()
    seed, *others = addresses = [f"10.0.0.{n + 1}" for n in range(size + 1)]
    shared: dict[bytes, bytes] = {}  # one copy of the bytes for all
    done: list[float] = []

    async def peer(ip: str, storage: MemoryStorage) -> None:
        host, chance = fabric.host(ip, LINK), Random(rng.random())
        async with open_client(port=PORT, bind=ip, dht=False, network=host, rng=chance) as client:
            peers = [(other, PORT) for other in addresses if other != ip]
            download = await client.add(metainfo, storage=in_memory(storage), peers=peers)
            await download.completed()
            if ip != seed:
                done.append(trio.current_time())
                if len(done) == size:
                    nursery.cancel_scope.cancel()
            await trio.sleep_forever()

    source = MemoryStorage(metainfo, shared)
    for number, piece in enumerate(pieces):
        await source.commit(number, piece)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer, seed, source)
        for ip in others:
            nursery.start_soon(peer, ip, MemoryStorage(metainfo, shared))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    table = Table(title=f"{SIZE // MiB} MiB, {LINK.up / MiB:.0f} MiB/s up each, seed {seed}")
    for column in ("crowd", "median s", "last s", "lower bound s", "last / bound"):
        table.add_column(column, justify="right")
    for size in CROWDS:
        rng, clock = Random(seed), simnet.VirtualClock()
        fabric = simnet.Fabric(clock, rng, latency=coordinates(seed))
        done = simnet.run(crowd, size, fabric, rng, seed=seed, clock=clock)
        bound = max(SIZE / LINK.up, size * SIZE / ((size + 1) * LINK.up))
        row = (size, done[len(done) // 2], done[-1], bound, done[-1] / bound)
        table.add_row(*(str(value) if isinstance(value, int) else f"{value:.2f}" for value in row))
    Console().print(table)


if __name__ == "__main__":
    main()
