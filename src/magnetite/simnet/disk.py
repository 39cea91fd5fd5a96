"""A host's disk in a simulation: what outlives its clients, or is lost, and what happens when it is full."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copytree

from magnetite.errors import Reason, StorageError
from magnetite.ids import InfoHash
from magnetite.net.base import Buffer
from magnetite.storage.base import FileStat, Storage, Whole
from magnetite.torrent.metainfo import Metainfo


class Disk:
    """Torrents by info-hash, and a folder for state files if one is given. `open` is for `open_client(storage=...)`.

    After a `crash` nothing changes any more through what was open before, though its owner may still run.
    """

    def __init__(self, make: Callable[[Metainfo], Storage], folder: Path | None = None) -> None:
        self.is_full = False
        self.generation = 0  # how often the host went down
        self._make = make
        self._storages: dict[InfoHash, Storage] = {}
        self._folder = folder

    def put(self, info_hash: InfoHash, storage: Storage) -> None:
        """Have this there from the beginning."""
        self._storages[info_hash] = storage

    @property
    def folder(self) -> Path:
        """Where the clients of this life keep their state. Raises ValueError if the disk was given no folder."""
        if self._folder is None:
            raise ValueError("this disk has no folder for state files")
        return self._folder / str(self.generation)

    @asynccontextmanager
    async def open(self, metainfo: Metainfo, wanted: frozenset[int]) -> AsyncIterator[Storage]:
        storage = self._storages.get(metainfo.info_hash)
        if storage is None:
            storage = self._storages[metainfo.info_hash] = self._make(metainfo)
        yield DiskStorage(self, storage)

    def crash(self, *, is_lost: bool = False) -> None:
        """The host goes down. What was committed is there after it; or, if the disk `is_lost`, nothing."""
        before = self.folder if self._folder is not None else None
        self.generation += 1
        if is_lost:
            self._storages = {}
        elif before is not None and before.exists():
            copytree(before, self.folder)


class DiskStorage:
    """A torrent on a disk: what it is made on, as long as the disk is up and has room."""

    def __init__(self, disk: Disk, storage: Storage) -> None:
        self._disk = disk
        self._generation = disk.generation
        self._storage = storage

    def new_buffer(self, length: int) -> memoryview:
        return self._storage.new_buffer(length)

    async def commit(self, whole: Sequence[Whole]) -> list[bool]:
        if self._disk.is_full:
            raise StorageError("the disk is full; make room", Reason.DISK_FULL)
        return await self._up().commit(whole)

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        return await self._up().read(piece, begin, length)

    async def verify(self, piece: int) -> bool:
        return await self._up().verify(piece)

    def trust(self, pieces: int) -> None:
        self._up().trust(pieces)

    def want(self, files: Collection[int]) -> None:
        self._up().want(files)

    async def flush(self) -> None:
        await self._up().flush()

    async def look_again(self, files: Collection[int]) -> None:
        await self._up().look_again(files)

    async def settle(self) -> None:
        await self._up().settle()

    async def stats(self) -> tuple[FileStat | None, ...]:
        return await self._up().stats()

    async def aclose(self) -> None:
        """The storage stays for those who open it next."""

    def _up(self) -> Storage:
        if self._generation != self._disk.generation:
            raise StorageError("the host went down", Reason.DISK_ERROR)
        return self._storage
