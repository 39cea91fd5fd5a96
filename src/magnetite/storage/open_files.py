"""A bounded number of open files. Blocks; for worker threads."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from threading import Lock
from typing import TypeAlias

Key: TypeAlias = tuple[int, bool]
"""The file's index, and whether it is open for writing."""


class _OpenFile:
    __slots__ = ("descriptor", "is_dropped", "users")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.users = 0
        self.is_dropped = False  # whoever uses it last closes it


class Loan:
    """A descriptor that stays open during the block; a class, since it stands around every read and write."""

    __slots__ = ("_file", "_owner")

    def __init__(self, owner: OpenFiles, file: _OpenFile) -> None:
        self._owner = owner
        self._file = file

    def __enter__(self) -> int:
        return self._file.descriptor

    def __exit__(self, *_: object) -> None:
        self._owner.give_back(self._file)


class OpenFiles:
    """Descriptors by file, the longest unused closed first. May be called from any thread.

    `_files` is in order of last use. There are more than `limit` only while so many are in use at once. Several that
    `share` the files of one have its limit together; each sees, and closes, only its own.
    """

    def __init__(self, limit: int, share: OpenFiles | None = None) -> None:
        self._limit: int = share._limit if share else limit
        self._files: OrderedDict[tuple[OpenFiles, Key], _OpenFile] = share._files if share else OrderedDict()
        self._lock: Lock = share._lock if share else Lock()

    def borrow(self, key: Key, opener: Callable[[], int]) -> Loan:
        """The file's descriptor for the time of a block; `opener` opens it where none is at hand."""
        with self._lock:
            file = self._files.get((self, key))
            if file is None:
                file = self._files[self, key] = _OpenFile(opener())
                file.users = 1
                if len(self._files) > self._limit:
                    self._close_surplus()
            else:
                file.users += 1
                self._files.move_to_end((self, key))
        return Loan(self, file)

    def borrow_open(self, key: Key) -> Loan | None:
        """The file's descriptor for the time of a block; None where it is not open, or others are at it."""
        if not self._lock.acquire(blocking=False):
            return None
        file = self._files.get((self, key))
        if file is not None:
            file.users += 1
        self._lock.release()
        return None if file is None else Loan(self, file)

    def drop(self, keys: Iterable[Key]) -> None:
        """Open these anew when they are needed next: what stands under the name may be another file by now."""
        with self._lock:
            for file in [self._files.pop((self, key)) for key in keys if (self, key) in self._files]:
                file.is_dropped = True
                if not file.users:
                    os.close(file.descriptor)

    def close(self) -> None:
        """Close every file of its own. None may be in use."""
        with self._lock:
            for key in [key for key in self._files if key[0] is self]:
                os.close(self._files.pop(key).descriptor)

    def give_back(self, file: _OpenFile) -> None:
        """For a Loan."""
        with self._lock:
            file.users -= 1
            if file.is_dropped and not file.users:
                os.close(file.descriptor)

    def _close_surplus(self) -> None:
        unused = (key for key, file in self._files.items() if not file.users)
        for key in list(islice(unused, len(self._files) - self._limit)):
            os.close(self._files.pop(key).descriptor)
