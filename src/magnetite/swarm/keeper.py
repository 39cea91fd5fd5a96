"""Keeps what was verified safe from a crash: flushes the storage, then the resume data that claims it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from magnetite.storage.base import FileStat
from magnetite.storage.resume import ResumeData
from magnetite.swarm.disk import Disk
from magnetite.swarm.exchange import Exchange
from magnetite.torrent.metainfo import Metainfo

FLUSH_EVERY = 30.0  # seconds between flushes while pieces come in,
FLUSH_BYTES = 256 << 20  # or this many verified bytes, whichever is first: what a crash makes us hash again

Remember: TypeAlias = Callable[[ResumeData], Awaitable[None]]


async def forget(resume: ResumeData) -> None:
    """Nothing is to survive the process: simulations, and clients without a state folder."""


class Keeper:
    """What is in resume data was synced before: pieces with fsync, file by file, then names, folder by folder.

    Nothing else is synced. A crash costs what was verified since the last flush, or, where only the program crashed,
    the time to hash it again. `earlier` are the bytes moved in runs before this one. A flush where nothing has come
    since the last one only renews the bytes moved: with many files it would take seconds to look at each.
    """

    def __init__(
        self, disk: Disk, metainfo: Metainfo, exchange: Exchange, remember: Remember, earlier: ResumeData | None
    ) -> None:
        self._disk = disk
        self._metainfo = metainfo
        self._exchange = exchange
        self._remember = remember
        self._earlier = (earlier.downloaded, earlier.uploaded) if earlier else (0, 0)
        self._unsafe = 0  # bytes verified since the last flush
        self._last: ResumeData | None = None  # what the last flush led to, if it succeeded,
        self._doubts = 0  # and how often files had been found to be changed before it
        self._grown = trio.lowlevel.ParkingLot()

    def on_verified(self, length: int) -> None:
        self._unsafe += length
        self._grown.unpark_all()

    def flush_soon(self) -> None:
        """There is something else to be made safe than pieces."""
        self.on_verified(FLUSH_BYTES)

    async def until_complete(self) -> None:
        """Returns when every wanted piece is verified."""
        while not self._exchange.is_seeding:
            await self._grown.park()

    async def watch(self) -> None:
        """Flush again and again; for ever."""
        while True:
            with trio.move_on_after(FLUSH_EVERY):
                while self._unsafe < FLUSH_BYTES:
                    await self._grown.park()
            if self._unsafe:
                await self.flush()

    async def flush(self) -> None:
        """Everything verified until now is safe when this returns, however long the disk takes."""
        await self._disk.insist(self.flush_once)

    async def flush_once(self) -> None:
        """As `flush`, at once or never. Raises StorageError."""
        last, self._last = self._last, None
        doubts, self._doubts = self._doubts, self._disk.doubts
        if last is not None and not self._unsafe and (last.verified, doubts) == (self._exchange.have, self._doubts):
            stats, verified = last.files, last.verified
        else:
            stats = await self._disk.stats()  # first: a file that is written after this is looked at again
            verified = self._exchange.have  # before the flush: what comes meanwhile is not claimed
            self._unsafe = 0
            await self._disk.flush()
        resume = self._resume(verified, stats)
        await self._remember(resume)
        self._last = resume

    def _resume(self, verified: int, files: tuple[FileStat | None, ...]) -> ResumeData:
        metainfo, earlier = self._metainfo, self._earlier
        downloaded, uploaded = self._exchange.totals
        return ResumeData(
            metainfo.info_hash, metainfo.info, verified, files, earlier[0] + downloaded, earlier[1] + uploaded
        )
