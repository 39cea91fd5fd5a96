"""Under which name each file of a torrent stands on disk: its own, or a partial one. Blocks; for worker threads."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from threading import Lock

from magnetite.errors import Reason, StorageError
from magnetite.storage.folder import Components, Folder
from magnetite.torrent.metainfo import FileEntry
from magnetite.torrent.names import PARTIAL_SUFFIX


class Place(Enum):
    """Where a file is. It goes MISSING -> PARTIAL -> FINAL, and from FINAL back to PARTIAL if it must be repaired."""

    MISSING = 0
    PARTIAL = 1
    FINAL = 2


class Layout:
    """The files of one torrent in a folder, by index. Every method raises StorageError.

    Files of others are never removed or replaced: what stands in the way is an error that names it.
    """

    def __init__(self, files: Sequence[FileEntry], folder: Folder) -> None:
        self._files = files
        self._folder = folder
        self._places = [Place.MISSING] * len(files)
        self._lock = Lock()  # two threads may want to write the same file first

    def survey(self) -> None:
        """Look where every file stands now."""
        for file, entry in enumerate(self._files):
            if not entry.is_padding:
                self._places[file] = self._find(entry)

    def is_missing(self, file: int) -> bool:
        return self._places[file] is Place.MISSING

    def partial_files(self) -> Iterator[int]:
        return (file for file, place in enumerate(self._places) if place is Place.PARTIAL)

    def path(self, file: int) -> Path:
        """Where the file stands, for messages."""
        return self._folder.path(self._components(file))

    def stat(self, file: int) -> os.stat_result | None:
        return None if self.is_missing(file) else self._folder.stat(self._components(file))

    def open_to_read(self, file: int) -> int:
        return self._folder.open(self._components(file))

    def open_to_write(self, file: int, is_ours: Callable[[], bool]) -> int:
        """A descriptor of the partial file, which is made if it is missing.

        A file that has its own name already is taken back to the partial one, so that no kill leaves it half written
        under its name. It must be ours, that is hold a piece that is right: else it is somebody's other file.
        """
        with self._lock:
            if self._places[file] is Place.FINAL:
                self._take_back(file, is_ours())
            descriptor = self._folder.create(_partial(self._files[file].path))
            self._places[file] = Place.PARTIAL
            return descriptor

    def create_empty(self, file: int) -> None:
        """Make a file without bytes: it is complete as soon as it exists."""
        with self._lock:
            os.close(self._folder.create(self._files[file].path))
            self._places[file] = Place.FINAL

    def finish(self, file: int) -> None:
        """Give a partial file its own name."""
        with self._lock:
            self._folder.rename(self._components(file), self._files[file].path[-1])
            self._places[file] = Place.FINAL

    def _take_back(self, file: int, is_ours: bool) -> None:
        if not is_ours:
            raise StorageError(
                f"{self.path(file)}: this file holds nothing of the torrent and would be overwritten; move it away",
                Reason.FILES_IN_THE_WAY,
            )
        path = self._files[file].path
        self._folder.rename(path, path[-1] + PARTIAL_SUFFIX)
        self._places[file] = Place.PARTIAL

    def _components(self, file: int) -> Components:
        path = self._files[file].path
        return path if self._places[file] is Place.FINAL else _partial(path)

    def _find(self, entry: FileEntry) -> Place:
        is_final = self._is_there(entry.path, entry.length)
        is_partial = bool(entry.length) and self._is_there(_partial(entry.path), entry.length)
        if is_final and is_partial:
            raise StorageError(
                f"{self._folder.path(entry.path)}: stands beside its own {PARTIAL_SUFFIX} file; move one of them away",
                Reason.FILES_IN_THE_WAY,
            )
        return Place.FINAL if is_final else Place.PARTIAL if is_partial else Place.MISSING

    def _is_there(self, path: Components, length: int) -> bool:
        found = self._folder.stat(path)
        if found is None:
            return False
        if not stat.S_ISREG(found.st_mode):
            problem = "is no regular file"
        elif found.st_size > length:
            problem = f"has {found.st_size} bytes where the torrent's file has {length}"
        else:
            return True
        raise StorageError(f"{self._folder.path(path)}: {problem}; move it away", Reason.FILES_IN_THE_WAY)


def _partial(path: Components) -> Components:
    return (*path[:-1], path[-1] + PARTIAL_SUFFIX)
