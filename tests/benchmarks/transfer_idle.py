"""What torrents cost that nobody trades: `python -m tests.benchmarks.transfer_idle COUNT FOLDER` prints bytes each.

A client with the DHT, in which nobody else is, holds them: incomplete, of 1 GiB in pieces of 1 MiB, and announced like
any other. Some are there before the memory is first read, so that what the first one brings about is left out.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from random import Random
from typing import Final

import trio

from magnetite import open_client
from magnetite.client import Client
from magnetite.torrent.create import encode_info
from magnetite.torrent.metainfo import Metainfo, decode_info

BEFORE: Final = 20
PIECES: Final = 1024
PIECE_LENGTH: Final = 1 << 20
SETTLED_AFTER: Final = 3.0  # seconds
PATIENCE: Final = 300.0


def torrent(number: int, rng: Random) -> Metainfo:
    name = f"idle-{number}.bin"
    return decode_info(encode_info([((name,), PIECES * PIECE_LENGTH)], PIECE_LENGTH, rng.randbytes(20 * PIECES)))


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) << 10


async def add(client: Client, torrents: list[Metainfo], folder: Path) -> int:
    """Bytes of memory in use when they have all been looked at on disk."""
    downloads = [await client.add(each, into=folder) for each in torrents]
    with trio.fail_after(PATIENCE):
        while not all(download.progress().is_checked for download in downloads):  # noqa: ASYNC110
            await trio.sleep(0.1)
    await trio.sleep(SETTLED_AFTER)
    return resident_bytes()


async def measure(count: int, folder: Path) -> float:
    rng = Random(1)
    async with open_client(port=0, bind="127.0.0.1", bootstrap=[], state=folder / "state") as client:
        before = await add(client, [torrent(number, rng) for number in range(BEFORE)], folder)
        after = await add(client, [torrent(BEFORE + number, rng) for number in range(count)], folder)
    return (after - before) / count


if __name__ == "__main__":
    print(trio.run(measure, int(sys.argv[1]), Path(sys.argv[2])))
