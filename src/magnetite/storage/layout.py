"""Under which name each file of a torrent stands on disk: its own, or a partial one. Blocks; for worker threads."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from threading import Lock

from magnetite.errors import Reason, StorageError
from magnetite.storage.failures import naming
from magnetite.storage.folder import Components, Folder
from magnetite.torrent.metainfo import FileEntry
from magnetite.torrent.names import PARTIAL_SUFFIX

COMPARE_CHUNK = 1 << 20  # bytes
_CANNOT_RESERVE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class Place(Enum):
    """Where a file is. It goes MISSING -> PARTIAL -> FINAL, and from FINAL back to PARTIAL if it must be repaired."""

    MISSING = 0
    PARTIAL = 1
    FINAL = 2


class Layout:
    """The files of one torrent in a folder, by index. Every method raises StorageError.

    Files of others are never removed or replaced: what stands in the way is an error that names it. While the files are
    taken to another folder `_target` is that, and `_moved` are those that are there already. A lenient one, only to be
    looked at, takes files for what they are named: a longer one is there, and what is no file is not.
    """

    def __init__(
        self, files: Sequence[FileEntry], folder: Folder, *, preallocate: bool = False, is_lenient: bool = False
    ) -> None:
        self._files = files
        self._folder = folder
        self._preallocate = preallocate
        self._is_lenient = is_lenient
        self._target: Folder | None = None
        self._moved: set[int] = set()
        self._places = [Place.MISSING] * len(files)
        self._lock = Lock()  # two threads may want to write the same file first, or one open what another moves

    def survey(self) -> None:
        """Look where every file stands now."""
        if self._folder.exists():
            self.look_again(range(len(self._files)))

    def look_again(self, files: Iterable[int]) -> None:
        """Look where these files stand now."""
        for home, inside in self._by_home(file for file in files if not self._files[file].is_padding):
            finals = home.stat_each(self._files[file].path for file in inside)
            partials = home.stat_each(_partial(self._files[file].path) for file in inside)
            for file, final, half in zip(inside, finals, partials, strict=True):
                self._places[file] = self._place(file, home, final, half)

    def stands_in(self, folder: Folder) -> bool:
        """Whether anything of the torrent is in another folder."""
        return any(
            folder.stat(path) is not None
            for entry in self._files
            if not entry.is_padding
            for path in (entry.path, _partial(entry.path))
        )

    def move(self, target: Folder) -> None:
        """Take every file that is there to another folder. What failed half-way is carried on by calling it again."""
        self._target = target
        for file, entry in enumerate(self._files):
            if file not in self._moved and not entry.is_padding:
                self._move(file, self._folder, target)
        for folder in (target, self._folder):
            folder.sync()
        self._folder, self._target, self._moved = target, None, set()

    def is_missing(self, file: int) -> bool:
        return self._places[file] is Place.MISSING

    def partial_files(self) -> Iterator[int]:
        return (file for file, place in enumerate(self._places) if place is Place.PARTIAL)

    def path(self, file: int) -> Path:
        """Where the file stands, for messages."""
        return self._home(file).path(self._components(file))

    def stat(self, file: int) -> os.stat_result | None:
        return None if self.is_missing(file) else self._home(file).stat(self._components(file))

    def stats(self) -> list[os.stat_result | None]:
        """As `stat`, of every file."""
        found: list[os.stat_result | None] = [None] * len(self._files)
        for home, inside in self._by_home(f for f, place in enumerate(self._places) if place is not Place.MISSING):
            for file, status in zip(inside, home.stat_each(map(self._components, inside)), strict=True):
                found[file] = status
        return found

    def open_to_read(self, file: int) -> int:
        with self._lock:
            return self._home(file).open(self._components(file))

    def open_to_write(self, file: int, is_ours: Callable[[], bool]) -> int:
        """A descriptor of the partial file, which is made if it was missing when we last looked.

        A file that has its own name already is taken back to the partial one, so that no kill leaves it half written
        under its name. It must be ours, that is hold a piece that is right, or be empty: else it is somebody's other
        file.
        """
        with self._lock:
            if self._places[file] is Place.FINAL:
                self._take_back(file, is_ours())
            partial = _partial(self._files[file].path)
            if self._places[file] is Place.PARTIAL and is_ours():  # if it has gone, so have the pieces that were in it
                descriptor = self._home(file).open_to_write(partial)
            else:
                descriptor = self._home(file).create(partial)
                self._places[file] = Place.PARTIAL
            if self._preallocate:
                self._reserve(file, descriptor)
            return descriptor

    def sync_together(self, files: Collection[int]) -> set[int]:
        """Have these files on the disk itself; returns those that must be synced one by one."""
        left = set(files)
        for home, inside in self._by_home(files):
            synced = home.sync_below({self._files[file].path[:-1] for file in inside})
            left.difference_update(file for file in inside if self._files[file].path[:-1] in synced)
        return left

    def create_empty(self, file: int) -> None:
        """Make a file without bytes: it is complete as soon as it exists."""
        with self._lock:
            os.close(self._home(file).create(self._files[file].path))
            self._places[file] = Place.FINAL

    def finish(self, file: int) -> None:
        """Give a partial file its own name."""
        with self._lock:
            self._home(file).rename(self._components(file), self._files[file].path[-1])
            self._places[file] = Place.FINAL

    def _take_back(self, file: int, is_ours: bool) -> None:
        if not is_ours and self._size(file):
            raise StorageError(
                f"{self.path(file)}: this file holds nothing of the torrent and would be overwritten; move it away",
                Reason.FILES_IN_THE_WAY,
            )
        path = self._files[file].path
        self._home(file).rename(path, path[-1] + PARTIAL_SUFFIX)
        self._places[file] = Place.PARTIAL

    def _reserve(self, file: int, descriptor: int) -> None:
        """Take the file's whole room on the disk now. Where the file system cannot, it grows as it is written."""
        try:
            with naming(partial(self.path, file)):
                os.posix_fallocate(descriptor, 0, self._files[file].length)
        except StorageError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _CANNOT_RESERVE:
                return
            os.close(descriptor)
            raise

    def _move(self, file: int, source: Folder, target: Folder) -> None:
        path = self._components(file)
        if self._places[file] is Place.MISSING:
            self._moved.add(file)
            return
        for taken in {self._files[file].path, _partial(self._files[file].path)} - {path}:
            target.refuse_taken(taken)  # a file and its partial one side by side would be for a person to decide
        if not self._was_copied(path, source, target):
            with self._lock:
                if source.move(path, target):
                    self._moved.add(file)
                    source.prune(path)
                    return
            source.copy(path, target)
        with self._lock:
            self._moved.add(file)
            source.remove(path)
        source.prune(path)

    def _was_copied(self, path: Components, source: Folder, target: Folder) -> bool:
        """Whether an earlier attempt was killed between the copy and the removal of the original."""
        here, there = source.stat(path), target.stat(path)
        if here is None or there is None or here.st_size != there.st_size:
            return False
        return _are_alike(source.open(path), target.open(path))

    def _size(self, file: int) -> int:
        found = self.stat(file)
        return 0 if found is None else found.st_size

    def _home(self, file: int) -> Folder:
        return self._target if self._target is not None and file in self._moved else self._folder

    def _components(self, file: int) -> Components:
        path = self._files[file].path
        return path if self._places[file] is Place.FINAL else _partial(path)

    def _by_home(self, files: Iterable[int]) -> Iterator[tuple[Folder, list[int]]]:
        """The files of each of the two folders that they may be in."""
        files = list(files)
        yield self._folder, [file for file in files if self._home(file) is self._folder]
        if self._target is not None:
            yield self._target, [file for file in files if self._home(file) is self._target]

    def _place(self, file: int, home: Folder, final: os.stat_result | None, half: os.stat_result | None) -> Place:
        """Where a file is, of which these two were found in its folder."""
        entry = self._files[file]
        if self._is_lenient:
            final, half = (found if found and stat.S_ISREG(found.st_mode) else None for found in (final, half))
            return Place.FINAL if final else Place.PARTIAL if half and entry.length else Place.MISSING
        if final is not None:
            _refuse_unfit(home, entry.path, entry.length, final)
        if half is not None and entry.length:
            _refuse_unfit(home, _partial(entry.path), entry.length, half)
            if final is not None:
                raise StorageError(
                    f"{home.path(entry.path)}: stands beside its own {PARTIAL_SUFFIX} file; move one of them away",
                    Reason.FILES_IN_THE_WAY,
                )
            return Place.PARTIAL
        return Place.MISSING if final is None else Place.FINAL


def _refuse_unfit(folder: Folder, path: Components, length: int, found: os.stat_result) -> None:
    """Raises StorageError for what cannot be a file of this length, or the beginning of one."""
    if not stat.S_ISREG(found.st_mode):
        problem = "is no regular file"
    elif found.st_size > length:
        problem = f"has {found.st_size} bytes where the torrent's file has {length}"
    else:
        return
    raise StorageError(f"{folder.path(path)}: {problem}; move it away", Reason.FILES_IN_THE_WAY)


def _are_alike(one: int, other: int) -> bool:
    """Whether two files hold the same bytes; both descriptors are closed."""
    with os.fdopen(one, "rb") as first, os.fdopen(other, "rb") as second:
        while data := first.read(COMPARE_CHUNK):
            if second.read(COMPARE_CHUNK) != data:
                return False
        return not second.read(1)


def _partial(path: Components) -> Components:
    return (*path[:-1], path[-1] + PARTIAL_SUFFIX)
