"""What the files of all torrents of a client share: worker threads and descriptors."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from magnetite.storage.base import OpenStorage, Storage
from magnetite.storage.content import OPEN_FILES
from magnetite.storage.files import THREADS, open_storage
from magnetite.storage.open_files import OpenFiles
from magnetite.storage.workers import Workers
from magnetite.torrent.metainfo import Metainfo


class Depot:
    """Opens torrents in folders, and must be closed after all of them. The threads begin with the first, or before."""

    def __init__(self) -> None:
        self._open_files = OpenFiles(OPEN_FILES)
        self._workers = Workers(THREADS)

    def start(self) -> None:
        """Have the threads ready."""
        self._workers.start()

    def folder(self, folder: Path, incomplete: Path | None = None, *, preallocate: bool = False) -> OpenStorage:
        """How to open a torrent in `folder`, its files in `incomplete` until they are complete."""
        if incomplete is not None and incomplete.resolve() == folder.resolve():
            incomplete = None

        def open_files(metainfo: Metainfo, wanted: frozenset[int]) -> AbstractAsyncContextManager[Storage]:
            return open_storage(
                metainfo,
                folder,
                wanted,
                incomplete=incomplete,
                preallocate=preallocate,
                workers=self._workers,
                open_files=self._open_files,
            )

        return open_files

    async def aclose(self) -> None:
        await self._workers.aclose()
