"""A torrent's storage as its swarm uses it: trouble pauses the torrent, and what others changed is checked again.

Nothing is lost meanwhile: a piece that could not be written stays in memory, and is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from magnetite.errors import Reason, StorageError
from magnetite.events import ChecksFinished, Emit
from magnetite.net.base import Buffer
from magnetite.storage.base import FileStat, Storage, Whole
from magnetite.torrent import pieces
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap

if TYPE_CHECKING:
    from magnetite.swarm.swarm import Swarm

log = logging.getLogger(__name__)

RETRY_EVERY: Final = 10.0  # seconds between two attempts while the disk is in trouble
LOOK_EVERY: Final = 60.0  # seconds between two looks whether the files are still as we left them,
LOOK_SHARE: Final = 100  # and at least so many times as long as a look takes: 100,000 files take seconds
INCURABLE: Final = frozenset({Reason.FILES_IN_THE_WAY, Reason.NOT_STORABLE})  # somebody has to decide
PERHAPS_CHANGED: Final = frozenset({Reason.DISK_ERROR, Reason.NOT_READABLE})  # so it shows that a file has gone

T = TypeVar("T")


class Lost(StorageError):
    """The piece was changed or removed by somebody else: it is not claimed any more."""


class Disk:
    """One torrent's storage. `watch` runs as long as it is used, and is alone in finding out what others changed.

    `_seen` are the files as they were when last looked at, None where that is not known, and `_had` the pieces that
    were verified before that look: a file that was complete then is written by nobody but others. `_suspects` are
    files, by index, that are to be checked. `_committing` are the pieces that may be written and are not claimed yet.
    While `_is_checking`, no commit is under way.
    """

    def __init__(self, storage: Storage, metainfo: Metainfo, swarm: Swarm, emit: Emit) -> None:
        self._storage = storage
        self._metainfo = metainfo
        self._map = PieceMap(metainfo)
        self._swarm = swarm
        self._exchange = swarm.exchange
        self._emit = emit
        self._seen: list[FileStat | None] = [None] * len(metainfo.files)
        self._had = 0
        self._suspects: set[int] = set()
        self.doubts = 0  # how often files were found to be changed
        self._failed_read: Callable[[], Awaitable[Buffer]] | None = None
        self._committing: set[int] = set()
        self._is_checking = False
        self._changed = trio.lowlevel.ParkingLot()  # one of the two above
        self._troubles = 0  # calls that wait for the disk
        self._is_watched = False
        self._is_asked = False  # to look at once
        self._asked = trio.lowlevel.ParkingLot()
        self._looks_begun = 0
        self._looks = 0
        self._looked = trio.lowlevel.ParkingLot()

    # -- what the swarm does with it ---------------------------------------------------------------------------------

    async def commit(self, whole: Sequence[Whole]) -> list[bool]:
        """As `Storage.commit`, however long it takes."""
        return await self.insist(partial(self._commit, whole))

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        """As `Storage.read`, however long it takes. Raises Lost."""
        while self._exchange.have >> piece & 1:
            try:
                return await self._storage.read(piece, begin, length)
            except StorageError as error:
                if error.reason in INCURABLE:
                    raise
                self._failed_read = partial(self._storage.read, piece, begin, length)
                await self._look()
        raise Lost(f"piece {piece} was changed or removed by somebody else")

    async def verify(self, piece: int) -> bool:
        """As `Storage.verify`, however long it takes."""
        return await self._insist(partial(self._storage.verify, piece), may_look=False)

    def trust(self, trusted: int) -> None:
        """As `Storage.trust`."""
        self._storage.trust(trusted)

    def want(self, files: Collection[int]) -> None:
        """As `Storage.want`."""
        self._storage.want(files)

    async def flush(self) -> None:
        """As `Storage.flush`."""
        await self._storage.flush()

    async def settle(self) -> None:
        """As `Storage.settle`, however long it takes."""
        await self.insist(self._storage.settle)

    async def stats(self) -> tuple[FileStat | None, ...]:
        """As `Storage.stats`, but None for files that somebody else has changed; they are going to be checked.

        None also for those of a piece that is being committed. It may be in the file already, and is claimed by nobody
        yet: who takes this stat and that claim for the whole truth would fetch it again.
        """
        had = self._exchange.have
        stats = await self._storage.stats()
        changed = set(self._changed_files(had, stats))
        self._had = had
        for file, stat in enumerate(stats):
            if file not in changed:
                self._seen[file] = stat
        if changed:
            self._suspects |= changed
            self._ask()
        unsure = changed | {
            span.file
            for piece in self._committing
            for span in self._map.spans(piece, 0, self._map.piece_length_of(piece))
        }
        return tuple(None if file in unsure else stat for file, stat in enumerate(stats)) if unsure else stats

    async def insist(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, which is tried again while the disk fails; the torrent is paused meanwhile.

        For tasks that live as long as the swarm. Raises StorageError where waiting cannot help.
        """
        return await self._insist(work, may_look=True)

    async def _insist(self, work: Callable[[], Awaitable[T]], *, may_look: bool) -> T:
        is_troubled = False
        while True:
            had = self._exchange.have
            try:
                result = await work()
            except StorageError as error:
                if error.reason in INCURABLE:
                    raise
                if may_look and self._is_watched and error.reason in PERHAPS_CHANGED:
                    await self._look()
                    if had & ~self._exchange.have:  # it has failed for what is lost, and not tried again yet
                        continue
                if not is_troubled:
                    is_troubled = True
                    self._troubles += 1
                    log.info("%s; trying again every %.0f s", error, RETRY_EVERY)
                self._swarm.pause(error.reason, str(error))
                with trio.move_on_after(RETRY_EVERY):
                    await self._swarm.until_resumed()
            else:
                if is_troubled:
                    self._troubles -= 1
                    self._recover()
                return result

    async def watch(self) -> None:
        """Look at the files now and then, and whenever something failed; for ever."""
        self._is_watched = True
        while True:
            self._looks_begun += 1
            self._is_asked = False
            began = trio.current_time()
            await self._insist(self.stats, may_look=False)
            took = trio.current_time() - began
            if self._suspects:
                suspects, self._suspects = self._suspects, set()
                await self._check(suspects)
            elif self._failed_read is not None:
                await self._insist(self._failed_read, may_look=False)
            self._failed_read = None
            self._looks = self._looks_begun
            self._looked.unpark_all()
            with trio.move_on_after(max(LOOK_EVERY, LOOK_SHARE * took)):
                while not self._is_asked:
                    await self._asked.park()

    # -- what others changed -----------------------------------------------------------------------------------------

    def _changed_files(self, had: int, stats: Sequence[FileStat | None]) -> Iterable[int]:
        bits = pieces.to_wire(had, self._map.piece_count)
        for file, (before, now) in enumerate(zip(self._seen, stats, strict=True)):
            if before == now and now is not None:
                continue
            if now is None:
                if before is not None or (had and self._is_begun(file, bits)):
                    yield file
            elif before is not None and (now.size < before.size or not self._map.pieces_of([file]) & ~self._had):
                yield file

    def _is_begun(self, file: int, bits: bytes) -> bool:
        """Whether a piece of a file is in a set, given as on the wire."""
        if self._metainfo.files[file].is_padding:
            return False
        return any(bits[piece >> 3] & 0x80 >> (piece & 7) for piece in self._map.pieces_of_file(file))

    async def _check(self, files: set[int]) -> None:
        """Find out what is left of files that somebody has changed, and fetch again what is not."""
        self._is_checking = True
        try:
            while self._committing:
                await self._changed.park()
            doubtful = self._map.pieces_of(files) & self._exchange.have
            log.warning("changed by somebody else: %d files, %d pieces to be checked", len(files), doubtful.bit_count())
            self._exchange.doubt(doubtful)
            self.doubts += 1
            await self._insist(partial(self._storage.look_again, files), may_look=False)
            for file in files:
                self._seen[file] = None
            for piece in pieces.indices(doubtful):
                if await self.verify(piece):
                    self._exchange.restore(piece)
        finally:
            self._is_checking = False
            self._changed.unpark_all()
        now = trio.current_time()
        self._exchange.reopen(doubtful & ~self._exchange.have, now)
        have = self._exchange.have.bit_count()
        self._emit(ChecksFinished(now, self._swarm.info_hash, have, doubtful.bit_count()))
        self._swarm.flush_soon()  # files stand elsewhere, or have other times, than resume data says

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def _commit(self, whole: Sequence[Whole]) -> list[bool]:
        while self._is_checking:
            await self._changed.park()
        under_way = [each.piece for each in whole]
        self._committing.update(under_way)
        try:
            return await self._storage.commit(whole)
        finally:
            self._committing.difference_update(under_way)
            if self._is_checking:
                self._changed.unpark_all()

    async def _look(self) -> None:
        """Have `watch` look at the files, from now on."""
        target = self._looks_begun + 1
        self._ask()
        while self._looks < target:
            await self._looked.park()

    def _ask(self) -> None:
        self._is_asked = True
        self._asked.unpark_all()

    def _recover(self) -> None:
        paused = self._exchange.paused
        if not self._troubles and paused is not None and paused[0] is not Reason.PAUSED_BY_USER:
            self._swarm.resume()
