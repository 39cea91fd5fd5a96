"""Content to transfer, in memory where the machine has a place for that, and the torrent that describes it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from filecmp import cmp
from hashlib import sha1
from pathlib import Path
from random import Random
from typing import Final

from magnetite.torrent.create import SizedPath, encode_info
from magnetite.torrent.metainfo import decode_info, encode_torrent

MEMORY: Final = Path("/dev/shm")  # a file system in memory: what is measured is a client, not a disk
SPARE: Final = 256 << 20  # bytes that are left free of it
CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Payload:
    """`folder` holds the content under `name`; `length` is in bytes."""

    folder: Path
    name: str
    torrent: Path
    info_hash: str
    paths: tuple[Path, ...]  # of the files, from `folder`
    length: int

    def is_in(self, folder: Path) -> bool:
        """Whether all of it is there, byte for byte."""
        return all(
            (folder / path).exists() and cmp(self.folder / path, folder / path, shallow=False) for path in self.paths
        )


@contextmanager
def scratch(needed: int) -> Iterator[Path]:
    """A folder with room for `needed` bytes, in memory if possible, that is gone afterwards."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > needed + SPARE
    if not has_room:
        print(f"{MEMORY} has no room for {needed >> 20} MiB: the figures are of the disk, too", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="transfer-", dir=MEMORY if has_room else None) as folder:
        yield Path(folder)


def warm(folder: Path, length: int) -> None:
    """Take so much memory and let go of it, so that the next to take it, whoever that is, finds it there.

    A virtual machine gives what is free back to its host, and gets it anew at a tenth of the speed.
    """
    part = bytes(1 << 20)
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(-(-length // len(part))):
            file.write(part)


def one_file(folder: Path, length: int, piece_length: int) -> Payload:
    return make(folder, [(("payload.bin",), length)], piece_length)


def many_files(folder: Path, count: int, length: int, piece_length: int) -> Payload:
    """`count` files of `length` bytes each, a thousand in a folder."""
    return make(
        folder,
        [(("payload", f"{number // 1000:03}", f"{number % 1000:03}"), length) for number in range(count)],
        piece_length,
    )


def make(folder: Path, files: Sequence[SizedPath], piece_length: int) -> Payload:
    """Pseudo-random content, the same at each call; nothing of it stays in this process."""
    root = folder / "content"
    rng = Random(1)
    hashes, piece, hashed = [], sha1(), 0
    for path, length in files:
        where = root.joinpath(*path)
        where.parent.mkdir(parents=True, exist_ok=True)
        with where.open("wb") as file:
            for at in range(0, length, CHUNK):
                data = rng.randbytes(min(CHUNK, length - at))
                file.write(data)
                rest = memoryview(data)
                while rest:
                    part, rest = rest[: piece_length - hashed], rest[piece_length - hashed :]
                    piece.update(part)
                    hashed += len(part)
                    if hashed == piece_length:
                        hashes.append(piece.digest())
                        piece, hashed = sha1(), 0
    if hashed:
        hashes.append(piece.digest())
    metainfo = decode_info(encode_info(files, piece_length, b"".join(hashes)))
    torrent = folder / "payload.torrent"
    torrent.write_bytes(encode_torrent(metainfo))
    paths = tuple(Path(*path) for path, _ in files)
    return Payload(root, metainfo.name, torrent, str(metainfo.info_hash), paths, sum(length for _, length in files))
