"""A folder nothing escapes from: files are opened below it, component by component, and no link is followed. Blocks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from hashlib import sha1
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from threading import Lock, local
from typing import TypeAlias

from magnetite.storage.failures import naming, storage_error
from magnetite.storage.syncing import sync_file_system

Components: TypeAlias = tuple[str, ...]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
COPY_CHUNK = 1 << 20  # bytes
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # opening a FIFO must not wait for its other end


class _Stay(local):
    """The folder a thread was in last, while it stays: `descriptor` is None for one that is not there."""

    def __init__(self) -> None:
        self.is_on = False
        self.components: Components | None = None
        self.descriptor: int | None = None


class _Visit:
    """A folder's descriptor for the time of a block; a class, since a generator would take longer than the opening."""

    __slots__ = ("_descriptor", "_is_kept")

    def __init__(self, descriptor: int, is_kept: bool) -> None:
        self._descriptor = descriptor
        self._is_kept = is_kept

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        if not self._is_kept:
            os.close(self._descriptor)


class Folder:
    """Files below `root`, by their components. Every method raises StorageError and may be called from any thread.

    The root may be reached through links, it was named by the user; nothing below it may. `_changed` are the folders
    whose names are not known to be on the disk itself. No method is in two of its folders at once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._changed: set[Components] = set()
        self._lock = Lock()
        self._stay = _Stay()

    def path(self, components: Components) -> Path:
        """For messages; never opened."""
        return self.root.joinpath(*components)

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Within the block this thread finds the way to the folder it was in last only once.

        For short work on many files in order: what others do to the folder meanwhile may not be noticed before its end.
        """
        self._stay.is_on = True
        try:
            yield
        finally:
            self._stay.is_on = False
            self._leave()

    def exists(self) -> bool:
        """Whether anything stands at the root."""
        return os.path.lexists(self.root)

    def stat(self, components: Components) -> os.stat_result | None:
        """What stands there, a link itself and not its target; None if nothing does."""
        return next(self.stat_each([components]))

    def stat_each(self, paths: Iterable[Components]) -> Iterator[os.stat_result | None]:
        """As `stat`, of many files, which takes a fraction of the time where those of a folder follow each other."""
        for parent, files in groupby(paths, itemgetter(slice(-1))):
            yield from self._stat_in(parent, files)

    def _stat_in(self, parent: Components, files: Iterable[Components]) -> list[os.stat_result | None]:
        """A list: whoever leaves an iterator half-way, or keeps it, must not keep a descriptor."""
        at = parent
        with naming(lambda: self.path(at), reading=True), ExitStack() as stack:
            descriptor = None
            with suppress(FileNotFoundError):
                descriptor = stack.enter_context(self._enter(parent))
            found: list[os.stat_result | None] = []
            for at in files:
                found.append(None if descriptor is None else _stat(at[-1], descriptor))  # noqa: PERF401  # `at` is named
            return found

    def open(self, components: Components) -> int:
        """A descriptor to read a file that is there."""
        with naming(partial(self.path, components), reading=True), self._parent(components) as parent:
            return _open_file(components[-1], os.O_RDONLY, parent)

    def open_to_write(self, components: Components) -> int:
        """A descriptor to read and write a file that is there."""
        with naming(partial(self.path, components)), self._parent(components) as parent:
            return _open_file(components[-1], os.O_RDWR, parent)

    def create(self, components: Components) -> int:
        """A descriptor to read and write a file, which is made if it is missing, like the folders above it."""
        with naming(partial(self.path, components)), self._parent(components, create=True) as parent:
            descriptor = _open_file(components[-1], os.O_RDWR | os.O_CREAT, parent)
        self._note_change(components[:-1])
        return descriptor

    def rename(self, components: Components, name: str) -> None:
        """Give a file another name in the same folder; refused if that is taken."""
        target = (*components[:-1], name)
        with naming(partial(self.path, target)), self._parent(components) as parent:
            if _stat(name, parent) is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
            os.rename(components[-1], name, src_dir_fd=parent, dst_dir_fd=parent)
        self._note_change(components[:-1])

    def move(self, components: Components, target: Folder) -> bool:
        """Take a file to the same place below another root; refused if the name is taken there.

        False, and nothing done, where that is on another file system.
        """
        with naming(partial(target.path, components)), self._parent(components) as here:
            target.refuse_taken(components)
            with target._parent(components, create=True) as there:
                try:
                    os.rename(components[-1], components[-1], src_dir_fd=here, dst_dir_fd=there)
                except OSError as error:
                    if error.errno == errno.EXDEV:
                        return False
                    raise
        self._note_change(components[:-1])
        target._note_change(components[:-1])
        return True

    def copy(self, components: Components, target: Folder) -> None:
        """The file again at the same place below another root, on the disk itself; refused if the name is taken there.

        Killed half-way it leaves a file of another name, which the next attempt writes anew.
        """
        name = components[-1]
        interim = f".{sha1(name.encode()).hexdigest()[:16]}.copy"  # of a length that any name may have
        with naming(partial(target.path, components)), self._parent(components) as here:
            target.refuse_taken(components)
            with target._parent(components, create=True) as there:
                _copy_synced(name, here, interim, there)
                target.refuse_taken(components)
                os.rename(interim, name, src_dir_fd=there, dst_dir_fd=there)
                os.fsync(there)
        target._note_change(components[:-1])

    def remove(self, components: Components) -> None:
        """Delete a file."""
        with naming(partial(self.path, components)), self._parent(components) as parent:
            os.unlink(components[-1], dir_fd=parent)
        self._note_change(components[:-1])

    def prune(self, components: Components) -> None:
        """Remove the folders that hold this file's place, as far as they are empty; never the root."""
        for depth in range(len(components) - 1, 0, -1):
            try:
                with self._parent(components[:depth]) as parent:
                    os.rmdir(components[depth - 1], dir_fd=parent)
            except OSError:  # somebody has put something there, or it is gone already
                return
            with self._lock:
                self._changed.discard(components[:depth])
            self._note_change(components[: depth - 1])

    def refuse_taken(self, components: Components) -> None:
        """Raises StorageError(FILES_IN_THE_WAY) where something has this name."""
        if self.stat(components) is not None:
            raise storage_error(FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)), self.path(components))

    def sync(self) -> None:
        """Returns when all names made so far are on the disk itself."""
        with self._lock:
            changed, self._changed = self._changed, set()
        try:
            for components in sorted(changed):
                with (
                    naming(partial(self.path, components)),
                    suppress(FileNotFoundError),  # it has gone, and its names with it
                    self._enter(components) as descriptor,
                ):
                    os.fsync(descriptor)
        except BaseException:
            with self._lock:
                self._changed |= changed
            raise

    def sync_below(self, folders: Iterable[Components]) -> set[Components]:
        """Have what is in these folders on the disk itself; returns those where that could be done for all at once."""
        synced = set()
        devices: dict[int, bool] = {}
        for components in sorted(folders):
            with (
                naming(partial(self.path, components)),
                suppress(FileNotFoundError),  # whoever looks for its files will miss it
                self._enter(components) as descriptor,
            ):
                device = os.fstat(descriptor).st_dev
                if device not in devices:
                    devices[device] = sync_file_system(descriptor)
                if devices[device]:
                    synced.add(components)
        return synced

    def _parent(self, components: Components, *, create: bool = False) -> _Visit:
        return self._enter(components[:-1], create=create)

    def _enter(self, components: Components, *, create: bool = False) -> _Visit:
        """A folder below the root, which is made if it is missing and `create` is set."""
        stay = self._stay
        if not stay.is_on:
            return _Visit(self._open_folder(components, create), is_kept=False)
        if stay.components != components or (create and stay.descriptor is None):
            self._leave()
            with suppress(FileNotFoundError):
                stay.descriptor = self._open_folder(components, create)
            stay.components = components
        if stay.descriptor is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return _Visit(stay.descriptor, is_kept=True)

    def _leave(self) -> None:
        stay = self._stay
        if stay.descriptor is not None:
            os.close(stay.descriptor)
        stay.components = stay.descriptor = None

    def _open_folder(self, components: Components, create: bool) -> int:
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
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _note_change(self, components: Components) -> None:
        with self._lock:
            self._changed.add(components)


def _make_folder(name: str, parent: int) -> bool:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _stat(name: str, parent: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _open_file(name: str, flags: int, parent: int) -> int:
    descriptor = os.open(name, flags | _FILE, 0o666, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, "not a file", name)
    return descriptor


def _copy_synced(name: str, here: int, copy: str, there: int) -> None:
    """A copy with the original's time of change, on the disk itself; none is left where it fails."""
    source = _open_file(name, os.O_RDONLY, here)
    try:
        target = _open_file(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, there)
        try:
            while data := memoryview(os.read(source, COPY_CHUNK)):
                while data:
                    data = data[os.write(target, data) :]
            found = os.fstat(source)
            os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))  # resume data goes by it
            os.fsync(target)
        except OSError:
            with suppress(OSError):
                os.unlink(copy, dir_fd=there)
            raise
        finally:
            os.close(target)
    finally:
        os.close(source)
