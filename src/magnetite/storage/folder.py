"""A folder nothing escapes from: files are opened below it, component by component, and no link is followed. Blocks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from magnetite.storage.failures import naming

Components: TypeAlias = tuple[str, ...]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # opening a FIFO must not wait for its other end


class Folder:
    """Files below `root`, by their components. Every method raises StorageError and may be called from any thread.

    The root may be reached through links, it was named by the user; nothing below it may. `_changed` are the folders
    whose names are not known to be on the disk itself.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._changed: set[Components] = set()
        self._lock = Lock()

    def path(self, components: Components) -> Path:
        """For messages; never opened."""
        return self.root.joinpath(*components)

    def stat(self, components: Components) -> os.stat_result | None:
        """What stands there, a link itself and not its target; None if nothing does."""
        with naming(self.path(components), reading=True):
            try:
                with self._parent(components) as parent:
                    return os.stat(components[-1], dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def open(self, components: Components) -> int:
        """A descriptor to read a file that is there."""
        with naming(self.path(components), reading=True), self._parent(components) as parent:
            return _open_file(components[-1], os.O_RDONLY, parent)

    def create(self, components: Components) -> int:
        """A descriptor to read and write a file, which is made if it is missing, like the folders above it."""
        with naming(self.path(components)), self._parent(components, create=True) as parent:
            descriptor = _open_file(components[-1], os.O_RDWR | os.O_CREAT, parent)
        self._note_change(components[:-1])
        return descriptor

    def rename(self, components: Components, name: str) -> None:
        """Give a file another name in the same folder; refused if that is taken."""
        target = (*components[:-1], name)
        with naming(self.path(target)), self._parent(components) as parent:
            if self.stat(target) is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
            os.rename(components[-1], name, src_dir_fd=parent, dst_dir_fd=parent)
        self._note_change(components[:-1])

    def sync(self) -> None:
        """Returns when all names made so far are on the disk itself."""
        with self._lock:
            changed, self._changed = self._changed, set()
        try:
            for components in sorted(changed):
                with naming(self.path(components)), self._open_folders(components) as descriptor:
                    os.fsync(descriptor)
        except BaseException:
            with self._lock:
                self._changed |= changed
            raise

    def _parent(self, components: Components, *, create: bool = False) -> AbstractContextManager[int]:
        return self._open_folders(components[:-1], create=create)

    @contextmanager
    def _open_folders(self, components: Components, *, create: bool = False) -> Iterator[int]:
        """A descriptor of a folder below the root, which is made if it is missing and `create` is set."""
        if create:
            self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root, _DIRECTORY)
        try:
            for at, name in enumerate(components):
                if create and _make_folder(name, descriptor):
                    self._note_change(components[:at])
                inner = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _note_change(self, components: Components) -> None:
        with self._lock:
            self._changed.add(components)


def _make_folder(name: str, parent: int) -> bool:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _open_file(name: str, flags: int, parent: int) -> int:
    descriptor = os.open(name, flags | _FILE, 0o666, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, "not a file", name)
    return descriptor
