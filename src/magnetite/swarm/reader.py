"""One file of a torrent, read while it is still being downloaded: the pieces that are read come first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import trio

from magnetite.errors import LocalProtocolError
from magnetite.swarm.deadlines import MOST_DUE
from magnetite.swarm.disk import Lost
from magnetite.swarm.swarm import Swarm
from magnetite.torrent.metainfo import FileEntry, Metainfo
from magnetite.torrent.pieces import to_wire

AHEAD: Final = 8 << 20  # bytes behind the place that is read, which are fetched before anything else,
FEWEST_AHEAD: Final = 2  # pieces of them at the least, however long they are
PIECE_TIME: Final = 2.0  # seconds that a piece may take, and each one behind it, before others are asked for it as well

Until: TypeAlias = Callable[[trio.Event], Awaitable[None]]
"""Returns when the event is set. Raises what ended the download before that."""


def readable_files(metainfo: Metainfo, wanted: int) -> list[int]:
    """Indices of the files all of whose pieces are wanted, padding left out. Pure."""
    bits = to_wire(wanted, metainfo.piece_count)

    def is_wanted(entry: FileEntry) -> bool:
        if not entry.length:
            return True
        first, last = entry.offset // metainfo.piece_length, (entry.offset + entry.length - 1) // metainfo.piece_length
        # Its first and last piece may be wanted for its neighbours' sake, the second cannot unless it is the last, too.
        return all(bits[piece >> 3] << (piece & 7) & 0x80 for piece in (first, min(first + 1, last), last))

    return [i for i, entry in enumerate(metainfo.files) if not entry.is_padding and is_wanted(entry)]


def open_reader(swarm: Swarm, file: int, until: Until) -> Reader:
    """A reader of one file of a torrent that was checked. Raises LocalProtocolError if there is no such file."""
    assert swarm.metainfo is not None
    files = swarm.metainfo.files
    if not 0 <= file < len(files) or files[file].is_padding:
        raise LocalProtocolError(f"there is no file number {file}: the torrent has 0 to {len(files) - 1}")
    return Reader(swarm, files[file], swarm.metainfo.piece_length, until)


class Reader:
    """Random access to one file. One read at a time; `Download.open` makes a reader and closes it.

    Invariant: the pieces from `_first` on have deadlines, until it is closed. None there stands for nowhere.
    """

    def __init__(self, swarm: Swarm, file: FileEntry, piece_length: int, until: Until) -> None:
        self.length = file.length  # bytes
        self._swarm = swarm
        self._offset = file.offset
        self._piece_length = piece_length
        self._end = -(-(file.offset + file.length) // piece_length)  # the piece behind the last one
        self._until = until
        self._first: int | None = None
        self._is_closed = False

    async def read(self, offset: int, length: int) -> bytes:
        """`length` bytes at `offset` of the file, fewer where it ends; waits for the pieces that are not there yet.

        Raises LocalProtocolError if the reader is closed or the file is not wanted, StorageError if the disk fails,
        and what ended the download.
        """
        if offset < 0 or length < 0:
            raise LocalProtocolError(f"{length} bytes at {offset}: neither may be negative")
        parts = []
        position, end = offset, min(offset + length, self.length)
        while position < end:
            piece, begin = divmod(self._offset + position, self._piece_length)
            count = min(end - position, self._piece_length - begin)
            parts.append(await self._read_piece(piece, begin, count))
            position += count
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Nothing is needed any more. A read that waits goes on waiting: cancel it."""
        self._is_closed = True
        self._swarm.exchange.blocks.set_deadlines(self, {}, trio.current_time())

    async def _read_piece(self, piece: int, begin: int, length: int) -> memoryview:
        if self._is_closed:
            raise LocalProtocolError("the reader is closed")
        while True:
            self._look_ahead(piece)
            while not self._is_present(piece):
                await self._until(self._swarm.arrival_of(piece))
            try:
                return memoryview(await self._swarm.read_block(piece, begin, length))
            except Lost:  # somebody else has changed the file: the piece is fetched again
                self._first = None

    def _is_present(self, piece: int) -> bool:
        book = self._swarm.exchange.book
        assert book is not None
        if not (book.have | book.wanted) >> piece & 1:
            raise LocalProtocolError("the file is not among those that are wanted")
        return bool(book.have >> piece & 1)

    def _look_ahead(self, first: int) -> None:
        """Set deadlines from the piece `first` on; those behind `first` are needed soon."""
        if first == self._first:
            return
        is_jump = self._first is None or first != self._first + 1
        self._first = first
        now = trio.current_time()
        ahead = min(max(AHEAD // self._piece_length, FEWEST_AHEAD), MOST_DUE - 1)
        have = self._swarm.exchange.have
        due = {
            piece: now + (piece - first + 1) * PIECE_TIME
            for piece in range(first, min(first + 1 + ahead, self._end))
            if not have >> piece & 1
        }
        self._swarm.exchange.blocks.set_deadlines(self, due, now, first if is_jump and first in due else None)
