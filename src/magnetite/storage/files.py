"""A torrent's content in real files: the Storage of production."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from magnetite.net.base import Buffer
from magnetite.storage.base import FileStat
from magnetite.storage.content import Content
from magnetite.storage.folder import Folder
from magnetite.storage.workers import Workers
from magnetite.torrent.metainfo import Metainfo

THREADS = 2  # one hashes and writes 1.9 GB/s; a second keeps uploads going beside it
PIECES_UNDER_WAY = 8  # hashed, written or waiting for it: without a cap their buffers grow to hundreds


@asynccontextmanager
async def open_storage(
    metainfo: Metainfo, folder: Path, wanted: Collection[int] | None = None
) -> AsyncIterator[FileStorage]:
    """The torrent's files below `folder`, of which `wanted` are selected by index (all if None).

    Nothing is made before the first commit or flush, so a folder that cannot be written can be read and shared. A
    piece may reach into a file that is not wanted: that part is written too, to a file that then stays NAME.part.
    Leaving the block flushes, ends the threads and closes every file.

    Raises StorageError(FILES_IN_THE_WAY) where a folder, a link, or a longer file stands in a file's place.
    """
    content = Content(metainfo, Folder(folder), range(len(metainfo.files)) if wanted is None else wanted)
    workers = Workers(THREADS)
    try:
        await workers.run(content.survey)
        storage = FileStorage(content, workers)
        try:
            yield storage
        finally:
            await storage.aclose()
    finally:
        await workers.aclose()


class FileStorage:
    """See `Storage`; `open_storage` makes and closes one.

    All that blocks is in `Content` and runs in the worker threads; here are only the waiting and its limits.
    """

    def __init__(self, content: Content, workers: Workers) -> None:
        self._content = content
        self._workers = workers
        self._commits = trio.Semaphore(PIECES_UNDER_WAY)
        self._flushing = trio.Lock()
        self._is_closed = False

    async def commit(self, piece: int, data: Buffer) -> bool:
        async with self._commits:
            return await self._workers.run(partial(self._content.commit, piece, data))

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        return await self._workers.run(partial(self._content.read, piece, begin, length))

    async def verify(self, piece: int) -> bool:
        return await self._workers.run(partial(self._content.verify, piece))

    async def hash_piece(self, piece: int) -> bytes | None:
        """SHA-1 of what is stored of `piece`; None where files are missing or short."""
        return await self._workers.run(partial(self._content.hash_piece, piece))

    def trust(self, pieces: int) -> None:
        self._content.trust(pieces)

    async def flush(self) -> None:
        async with self._flushing:
            await self._workers.run(self._content.flush)

    async def stats(self) -> tuple[FileStat | None, ...]:
        return await self._workers.run(self._content.stats)

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        with trio.CancelScope(shield=True):
            try:
                async with self._flushing:
                    await self._workers.run(self._content.flush)
            finally:
                await self._workers.aclose()
                self._content.close()
