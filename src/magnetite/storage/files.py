"""A torrent's content in real files: the Storage of production."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import compress
from pathlib import Path
from typing import TypeVar

import trio

from magnetite.errors import LocalProtocolError
from magnetite.net.base import Buffer
from magnetite.storage.base import FileStat, Whole
from magnetite.storage.content import Content
from magnetite.storage.folder import Folder
from magnetite.storage.open_files import OpenFiles
from magnetite.storage.workers import Workers
from magnetite.torrent.metainfo import Metainfo

T = TypeVar("T")

HASHED_AT_ONCE = 32 << 10  # bytes of a piece at most: a thread would wait longer for the interpreter's lock after each
THREADS = 2  # one hashes and writes 1.9 GB/s; a second keeps uploads going beside it


@asynccontextmanager
async def open_storage(
    metainfo: Metainfo,
    folder: Path,
    wanted: Collection[int] | None = None,
    *,
    incomplete: Path | None = None,
    preallocate: bool = False,
    only_checking: bool = False,
    workers: Workers | None = None,
    open_files: OpenFiles | None = None,
) -> AsyncIterator[FileStorage]:
    """The torrent's files below `folder`, of which `wanted` are selected by index (all if None).

    Nothing is made before the first commit or flush, so a folder that cannot be written can be read and shared. A
    piece may reach into a file that is not wanted: that part is written too, to a file that then stays NAME.part.
    Leaving the block flushes, ends the threads and closes every file.

    With `incomplete` the files are made below that folder, and `settle` takes them to `folder`; a torrent of which
    anything is in `folder` already is completed there. `preallocate` takes a file's whole room when its first piece is
    written; otherwise files are sparse.

    `workers` are threads, `open_files` the descriptors to share with other storages; without them it has its own.

    Raises StorageError(FILES_IN_THE_WAY) where a folder, a link, or a longer file stands in a file's place; not where
    this is `only_checking`, and will write nothing.
    """
    home = Folder(folder)
    content = Content(
        metainfo,
        home if incomplete is None else Folder(incomplete),
        range(len(metainfo.files)) if wanted is None else wanted,
        destination=None if incomplete is None else home,
        preallocate=preallocate,
        is_lenient=only_checking,
        open_files=open_files,
    )
    async with AsyncExitStack() as stack:
        if workers is None:
            workers = Workers(THREADS)
            stack.push_async_callback(workers.aclose)
        await workers.run(content.survey)
        storage = FileStorage(content, workers)
        try:
            yield storage
        finally:
            await storage.aclose()


class FileStorage:
    """See `Storage`; `open_storage` makes and closes one.

    All that blocks is in `Content` and runs in the worker threads; here are only the waiting and its limits.
    """

    def __init__(self, content: Content, workers: Workers) -> None:
        self._content = content
        self._workers = workers
        self._flushing = trio.Lock()
        self._jobs = 0  # under way, or waiting for a thread
        self._is_idle = trio.lowlevel.ParkingLot()
        self._is_closed = False

    def new_buffer(self, length: int) -> memoryview:
        return memoryview(bytearray(length))

    async def commit(self, whole: Sequence[Whole]) -> list[bool]:
        if any(len(data) > HASHED_AT_ONCE for _, data in whole):
            return await self._run(partial(self._content.commit, whole))
        verdicts = self._content.are_right(whole)
        await self._run(partial(self._content.write, compress(whole, verdicts)))
        return verdicts

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        await trio.lowlevel.checkpoint_if_cancelled()
        data = self._content.read_cached(piece, begin, length)  # without a hop to a thread and back
        if data is not None:
            return data
        return await self._run(partial(self._content.read, piece, begin, length))

    async def verify(self, piece: int) -> bool:
        return await self._run(partial(self._content.verify, piece))

    async def hash_piece(self, piece: int) -> bytes | None:
        """SHA-1 of what is stored of `piece`; None where files are missing or short."""
        return await self._run(partial(self._content.hash_piece, piece))

    def trust(self, pieces: int) -> None:
        self._content.trust(pieces)

    def want(self, files: Collection[int]) -> None:
        self._content.want(files)

    async def flush(self) -> None:
        async with self._flushing:
            await self._run(self._content.flush)

    async def stats(self) -> tuple[FileStat | None, ...]:
        async with self._flushing:  # which gives files other names
            return await self._run(self._content.stats)

    async def look_again(self, files: Collection[int]) -> None:
        async with self._flushing:
            await self._run(partial(self._content.look_again, files))

    async def settle(self) -> None:
        async with self._flushing:
            await self._run(self._content.settle)

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        with trio.CancelScope(shield=True):
            try:
                async with self._flushing:
                    await self._workers.run(self._content.flush)
            finally:
                while self._jobs:
                    await self._is_idle.park()
                self._content.close()

    async def _run(self, job: Callable[[], T]) -> T:
        if self._is_closed:
            raise LocalProtocolError("the storage is closed")
        self._jobs += 1
        try:
            return await self._workers.run(job)
        finally:
            self._jobs -= 1
            if not self._jobs:
                self._is_idle.unpark_all()
