"""Where pieces lie: their lengths, and the parts of files they are made of. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.pieces import everything


class Span(NamedTuple):
    """`length` bytes at `offset` of the torrent's file number `file`."""

    file: int
    offset: int
    length: int


class PieceMap:
    """The geometry of one torrent: its byte space, cut into pieces and, elsewhere, into files.

    Padding files are part of the byte space like any other; files without bytes are in no piece.
    """

    def __init__(self, metainfo: Metainfo) -> None:
        self.length = metainfo.length
        self.piece_length = metainfo.piece_length
        self.piece_count = metainfo.piece_count
        self._files = metainfo.files
        self._with_bytes = [i for i, entry in enumerate(metainfo.files) if entry.length]
        self._offsets = [metainfo.files[i].offset for i in self._with_bytes]

    def piece_length_of(self, piece: int) -> int:
        """Bytes of a piece; only the last may be short. Raises IndexError."""
        if not 0 <= piece < self.piece_count:
            raise IndexError(f"piece {piece} of {self.piece_count}")
        return min(self.piece_length, self.length - piece * self.piece_length)

    def holds(self, piece: int, begin: int, length: int) -> bool:
        """Whether a request for these bytes lies within the torrent."""
        return (
            0 <= piece < self.piece_count
            and begin >= 0
            and length > 0
            and begin + length <= self.piece_length_of(piece)
        )

    def spans(self, piece: int, begin: int, length: int) -> list[Span]:
        """The parts of files that `length` bytes at `begin` of a piece are made of, in order.

        O(log files + parts). Raises IndexError for bytes outside the piece.
        """
        if not self.holds(piece, begin, length):
            raise IndexError(f"bytes {begin} to {begin + length} of piece {piece}")
        position = piece * self.piece_length + begin
        end = position + length
        at = bisect_right(self._offsets, position) - 1
        spans = []
        while position < end:
            file = self._with_bytes[at]
            entry = self._files[file]
            part = min(end, entry.offset + entry.length) - position
            spans.append(Span(file, position - entry.offset, part))
            position += part
            at += 1
        return spans

    def pieces_of_file(self, file: int) -> range:
        """The pieces that hold a byte of a file; none for an empty one."""
        entry = self._files[file]
        if not entry.length:
            return range(0)
        last = (entry.offset + entry.length - 1) // self.piece_length
        return range(entry.offset // self.piece_length, last + 1)

    def pieces_of(self, files: Iterable[int]) -> int:
        """The set of the pieces that hold a byte of any of the files; see `torrent.pieces`."""
        chosen = 0
        for file in files:
            touched = self.pieces_of_file(file)
            chosen |= everything(len(touched)) << touched.start
        return chosen
