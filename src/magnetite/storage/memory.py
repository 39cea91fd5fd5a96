"""A torrent's content in memory: the Storage of simulations and tests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha1

import trio

from magnetite.errors import StorageError
from magnetite.net.base import Buffer
from magnetite.storage.base import FileStat, Whole
from magnetite.torrent.metainfo import Metainfo


class MemoryStorage:
    """See `Storage`. Everything is done inline, without threads, so it may be used in virtual time.

    Pieces are kept by their hash. Storages that are given the same `pieces` dictionary share the bytes: a swarm of
    hundreds then holds one copy of what it downloads.
    """

    def __init__(self, metainfo: Metainfo, pieces: dict[bytes, bytes] | None = None) -> None:
        self._metainfo = metainfo
        self._pieces = {} if pieces is None else pieces
        self._present = 0

    def new_buffer(self, length: int) -> memoryview:
        return memoryview(bytearray(length))

    async def commit(self, whole: Sequence[Whole]) -> list[bool]:
        await trio.lowlevel.checkpoint()
        return [self._commit(*each) for each in whole]

    def _commit(self, piece: int, data: Buffer) -> bool:
        expected = self._metainfo.piece_hash(piece)
        if sha1(data).digest() != expected:
            return False
        self._pieces.setdefault(expected, bytes(data))
        self._present |= 1 << piece
        return True

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        await trio.lowlevel.checkpoint()
        if not self._present >> piece & 1:
            raise StorageError(f"piece {piece} is not there")
        return memoryview(self._pieces[self._metainfo.piece_hash(piece)])[begin : begin + length]

    async def verify(self, piece: int) -> bool:
        await trio.lowlevel.checkpoint()
        return bool(self._present >> piece & 1)

    def trust(self, pieces: int) -> None:
        """Nothing outlives the process, so there is nothing that could be vouched for."""

    def want(self, files: Collection[int]) -> None:
        """There are no files."""

    async def flush(self) -> None:
        await trio.lowlevel.checkpoint()

    async def look_again(self, files: Collection[int]) -> None:
        await trio.lowlevel.checkpoint()

    async def settle(self) -> None:
        await trio.lowlevel.checkpoint()

    async def stats(self) -> tuple[FileStat | None, ...]:
        """Every file is as it should be as soon as there is anything: `verify` tells the rest, and costs nothing."""
        await trio.lowlevel.checkpoint()
        if not self._present:
            return (None,) * len(self._metainfo.files)
        return tuple(FileStat(entry.length, 0) for entry in self._metainfo.files)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
