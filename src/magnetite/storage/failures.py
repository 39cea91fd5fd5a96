"""From the operating system's error numbers to a StorageError a person can act on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TypeAlias

from magnetite.errors import Reason, StorageError

NamedPath: TypeAlias = str | os.PathLike[str]

_KNOWN: dict[int | None, tuple[Reason, str]] = {
    errno.ENOSPC: (Reason.DISK_FULL, "the disk is full; make room"),
    errno.EDQUOT: (Reason.DISK_FULL, "your disk quota is used up; make room"),
    errno.EFBIG: (Reason.NOT_STORABLE, "the file system takes no file this large; choose another folder"),
    errno.EACCES: (Reason.NOT_WRITABLE, "permission denied; change its permissions or choose another folder"),
    errno.EPERM: (Reason.NOT_WRITABLE, "not permitted; change its permissions or choose another folder"),
    errno.EROFS: (Reason.NOT_WRITABLE, "the file system is read-only; choose another folder"),
    errno.ELOOP: (Reason.FILES_IN_THE_WAY, "a symbolic link stands there, and links are not followed; remove it"),
    errno.ENOTDIR: (Reason.FILES_IN_THE_WAY, "a file or a link stands where a folder belongs; move it away"),
    errno.EISDIR: (Reason.FILES_IN_THE_WAY, "a folder stands where a file belongs; move it away"),
    errno.ENXIO: (Reason.FILES_IN_THE_WAY, "something else than a file stands there; move it away"),
    errno.EMFILE: (Reason.DISK_ERROR, "too many open files; raise the limit (ulimit -n)"),
    errno.EEXIST: (Reason.FILES_IN_THE_WAY, "the name is taken by something else; move it away"),
    errno.ENAMETOOLONG: (Reason.NOT_STORABLE, "the file system takes no name this long; choose another folder"),
}


def storage_error(error: OSError, path: NamedPath, *, reading: bool = False) -> StorageError:
    """What to raise for `error`, which befell `path`: its message names the file and the remedy."""
    reason, text = _KNOWN.get(error.errno, (Reason.DISK_ERROR, error.strerror or str(error)))
    if reading and reason is Reason.NOT_WRITABLE:
        reason, text = Reason.NOT_READABLE, "permission denied; change its permissions"
    return StorageError(f"{os.fspath(path)}: {text}", reason)


def naming(path: NamedPath | Callable[[], NamedPath], *, reading: bool = False) -> _Naming:
    """Turns an OSError of the block into a StorageError about `path`, which a call may tell if it comes to that."""
    return _Naming(path, reading)


class _Naming:
    """A class, since a generator would take five times as long: it stands around every call of the system."""

    __slots__ = ("_path", "_reading")

    def __init__(self, path: NamedPath | Callable[[], NamedPath], reading: bool) -> None:
        self._path = path
        self._reading = reading

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            path = self._path() if callable(self._path) else self._path
            raise storage_error(error, path, reading=self._reading) from error
