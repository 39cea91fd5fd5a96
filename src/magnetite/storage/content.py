"""The pieces of one torrent in its files: hash, write, read, sync. Blocks; for worker threads."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from errno import EOPNOTSUPP
from functools import partial
from hashlib import sha1
from itertools import compress
from threading import Lock

from magnetite.errors import Reason, StorageError
from magnetite.net.base import Buffer
from magnetite.storage.base import FileStat, Whole
from magnetite.storage.claim import Claim
from magnetite.storage.failures import naming
from magnetite.storage.folder import Folder
from magnetite.storage.gathering import write_parts
from magnetite.storage.in_memory import is_in_memory
from magnetite.storage.layout import Layout
from magnetite.storage.open_files import OpenFiles
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap, Span
from magnetite.torrent.pieces import of as pieces_of
from magnetite.torrent.pieces import to_wire

OPEN_FILES = 100  # of the 1,024 descriptors that many systems allow a process
NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)  # Linux has it
CHUNK = 1 << 20  # bytes read at a time to be hashed
SYNC_ONE_BY_ONE = 100  # files; for more it is worth while to wait for what others have written, too


class Content:
    """One torrent's bytes below a folder. Every method raises StorageError and may be called from any thread.

    `_right` is the set of the pieces known to be right. `_unsynced` are the files written since they were last
    synced; a file is noted before it is written, so that a write that fails half-way is not forgotten.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        folder: Folder,
        wanted: Collection[int],
        *,
        destination: Folder | None = None,
        preallocate: bool = False,
        is_lenient: bool = False,
        open_files: OpenFiles | None = None,
    ) -> None:
        self._metainfo = metainfo
        self._map = PieceMap(metainfo)
        self._folder = folder
        self._destination = destination  # where the files are to be taken yet
        self._layout = Layout(metainfo.files, folder, preallocate=preallocate, is_lenient=is_lenient)
        self._open_files = OpenFiles(OPEN_FILES, open_files)
        self._right = 0
        self._unsynced: set[int] = set()
        self._lock = Lock()  # of the two above
        self._writing = Lock()  # one at a time writes to a file, and where the kernel sees to that the others spin
        self._claim = Claim(metainfo.info_hash)
        self._is_claimed = False
        self.want(wanted)

    def survey(self) -> None:
        """Look what is there; nothing is made or changed, except that a move that was begun is carried on."""
        self._layout.survey()
        if self._destination is not None and self._layout.stands_in(self._destination):
            self.settle()
            self._layout.survey()

    def settle(self) -> None:
        """Take the files to their destination, if they are not there already."""
        if self._destination is not None:
            self._layout.move(self._destination)
            self._folder, self._destination = self._destination, None

    def look_again(self, files: Collection[int]) -> None:
        """Forget what was known of these files, and look where they stand now. No piece may be on its way to them."""
        self._open_files.drop((file, to_write) for file in files for to_write in (False, True))
        self._layout.look_again(files)
        with self._lock:
            self._right &= ~self._map.pieces_of(files)
            self._unsynced.difference_update(file for file in files if self._layout.is_missing(file))

    def commit(self, whole: Sequence[Whole]) -> list[bool]:
        verdicts = self.are_right(whole)
        self.write(compress(whole, verdicts))
        return verdicts

    def are_right(self, whole: Sequence[Whole]) -> list[bool]:
        """Nothing but the hashing: it waits for nobody."""
        return [sha1(data).digest() == self._metainfo.piece_hash(piece) for piece, data in whole]

    def write(self, right: Iterable[Whole]) -> None:
        """What falls into one file is written in one go: around small pieces the rest costs more than the writing."""
        if not self._is_claimed:
            self._take_claim()
        right = list(right)
        with self._folder.staying():
            for file, parts in self._by_file(right).items():
                self._write(file, parts)
        with self._lock:
            self._right |= pieces_of([piece for piece, _ in right])

    def _take_claim(self) -> None:
        with self._lock:
            self._claim.take(self._folder.root)
            self._is_claimed = True

    def _by_file(self, whole: Sequence[Whole]) -> dict[int, list[tuple[int, memoryview]]]:
        """Where in which files the pieces belong."""
        parts: dict[int, list[tuple[int, memoryview]]] = {}
        for piece, data in whole:
            view = memoryview(data)
            for file, offset, length in self._map.spans(piece, 0, len(view)):
                parts.setdefault(file, []).append((offset, view[:length]))
                view = view[length:]
        return parts

    def read(self, piece: int, begin: int, length: int) -> Buffer:
        parts = [self._read(span) for span in self._map.spans(piece, begin, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_cached(self, piece: int, begin: int, length: int) -> Buffer | None:
        """As `read`, but never waits for the disk: None where the bytes are not all in memory, or it cannot be told."""
        spans = self._map.spans(piece, begin, length)
        if not NOWAIT or len(spans) != 1 or self._is_padding(spans[0].file):
            return None
        data = bytearray(length)
        loan = self._open_files.borrow_open((spans[0].file, False))
        if loan is None:
            return None
        with loan as descriptor:
            try:
                count = _read_without_waiting(descriptor, data, spans[0].offset)
            except OSError:  # it would wait, or cannot tell, or fails: so will `read`, and say why
                return None
        return data if count == length else None

    def verify(self, piece: int) -> bool:
        is_right = self.hash_piece(piece) == self._metainfo.piece_hash(piece)
        with self._lock:
            if is_right:
                self._right |= 1 << piece
            else:
                self._right &= ~(1 << piece)
        return is_right

    def hash_piece(self, piece: int) -> bytes | None:
        """SHA-1 of a piece as it is stored; None where a file is missing or too short."""
        digest = sha1()
        for span in self._map.spans(piece, 0, self._map.piece_length_of(piece)):
            if not self._is_padding(span.file) and self._layout.is_missing(span.file):
                return None
            for at in range(0, span.length, CHUNK):
                part = Span(span.file, span.offset + at, min(CHUNK, span.length - at))
                try:
                    data = self._read_what_is_there(part)
                except StorageError as error:
                    if _is_gone(error):
                        return None
                    raise
                if len(data) < part.length:
                    return None
                digest.update(data)
        return digest.digest()

    def trust(self, pieces: int) -> None:
        with self._lock:
            self._right |= pieces

    def want(self, files: Collection[int]) -> None:
        self._empty = [file for file in sorted(files) if not self._metainfo.files[file].length]

    def flush(self) -> None:
        with self._lock:
            unsynced, self._unsynced = self._unsynced, set()
            right = self._right
        finished = self._finished(right)
        try:
            self._sync(unsynced.union(finished))
        except BaseException:
            with self._lock:
                self._unsynced |= unsynced
            raise
        with self._folder.staying():
            for file in finished:
                self._layout.finish(file)
            for file in self._empty:
                if self._layout.is_missing(file):
                    self._layout.create_empty(file)
        self._folder.sync()

    def stats(self) -> tuple[FileStat | None, ...]:
        return tuple(
            None if stat is None else FileStat(stat.st_size, stat.st_mtime_ns) for stat in self._layout.stats()
        )

    def close(self) -> None:
        self._open_files.close()
        self._claim.drop()

    def _is_padding(self, file: int) -> bool:
        return self._metainfo.files[file].is_padding

    def _is_ours(self, file: int) -> bool:
        with self._lock:
            return bool(self._right & self._map.pieces_of([file]))

    def _write(self, file: int, parts: list[tuple[int, memoryview]]) -> None:
        if self._is_padding(file):
            return
        opener = partial(self._layout.open_to_write, file, partial(self._is_ours, file))
        with (
            self._open_files.borrow((file, True), opener) as descriptor,
            naming(partial(self._layout.path, file)),
        ):
            with self._lock:
                self._unsynced.add(file)
            with self._writing:
                write_parts(descriptor, parts)

    def _read(self, span: Span) -> bytes:
        data = self._read_what_is_there(span)
        if len(data) < span.length:
            raise StorageError(
                f"{self._layout.path(span.file)}: shorter than it was; something else has changed it",
                Reason.DISK_ERROR,
            )
        return data

    def _read_what_is_there(self, span: Span) -> bytes:
        if self._is_padding(span.file):
            return bytes(span.length)
        opener = partial(self._layout.open_to_read, span.file)
        with self._open_files.borrow((span.file, False), opener) as descriptor:
            return self._read_from(descriptor, span)

    def _read_from(self, descriptor: int, span: Span) -> bytes:
        with naming(partial(self._layout.path, span.file), reading=True):
            return os.pread(descriptor, span.length, span.offset)

    def _finished(self, right: int) -> list[int]:
        """The partial files all of whose pieces are in the set `right`."""
        bits = to_wire(right, self._map.piece_count)
        return [
            file
            for file in self._layout.partial_files()
            if all(bits[piece >> 3] & 0x80 >> (piece & 7) for piece in self._map.pieces_of_file(file))
        ]

    def _sync(self, files: set[int]) -> None:
        if len(files) > SYNC_ONE_BY_ONE:
            files = self._layout.sync_together(files)
        for file in sorted(files):
            opener = partial(self._layout.open_to_read, file)
            try:
                with (
                    self._open_files.borrow((file, False), opener) as descriptor,
                    naming(partial(self._layout.path, file)),
                ):
                    os.fsync(descriptor)
            except StorageError as error:
                if not _is_gone(error) or self._is_ours(file):
                    raise  # else nothing of worth has gone with it


def _read_without_waiting(descriptor: int, data: bytearray, offset: int) -> int:
    """How many bytes were there. Raises OSError where it would wait for a disk, or might."""
    try:
        return os.preadv(descriptor, [data], offset, NOWAIT)
    except OSError as error:
        if error.errno != EOPNOTSUPP or not is_in_memory(descriptor):  # tmpfs does not know such reads
            raise
        return os.preadv(descriptor, [data], offset)


def _is_gone(error: StorageError) -> bool:
    return isinstance(error.__cause__, FileNotFoundError)
