"""A peer that sends wrong bytes: a production client on a disk that lies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from magnetite.net.base import Buffer
from magnetite.storage.base import OpenStorage
from magnetite.storage.memory import MemoryStorage
from magnetite.study.content import Content
from magnetite.torrent import pieces
from magnetite.torrent.metainfo import Metainfo


class LyingStorage(MemoryStorage):
    """Has everything, and gives a wrong byte in each block with some probability."""

    def __init__(self, content: Content, rng: Random, probability: float) -> None:
        super().__init__(content.metainfo, content.pieces)
        self._present = pieces.everything(content.metainfo.piece_count)
        self._rng = rng
        self._probability = probability

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        data = await super().read(piece, begin, length)
        if self._rng.random() >= self._probability:
            return data
        wrong = bytearray(data)
        wrong[self._rng.randrange(length)] ^= 0xFF
        return wrong


def lying(content: Content, rng: Random, probability: float = 1.0) -> OpenStorage:
    """The `storage` of a client that seeds lies: `world.share(host, magnet, storage=lying(content, rng))`.

    Raises ValueError for content by reference, of which there is one copy for liars and others.
    """
    if content.by_reference:
        raise ValueError("nobody can lie about content by reference")

    @asynccontextmanager
    async def opened(metainfo: Metainfo, wanted: frozenset[int]) -> AsyncIterator[LyingStorage]:
        yield LyingStorage(content, rng, probability)

    return opened
