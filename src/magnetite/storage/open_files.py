"""A bounded number of open files. Blocks; for worker threads."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TypeAlias

Key: TypeAlias = tuple[int, bool]
"""The file's index, and whether it is open for writing."""


class _OpenFile:
    __slots__ = ("descriptor", "users")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.users = 0


class OpenFiles:
    """Descriptors by file, the longest unused closed first. May be called from any thread.

    `_files` is in order of last use. There are more than `limit` only while so many are in use at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: OrderedDict[Key, _OpenFile] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def borrow(self, key: Key, opener: Callable[[], int]) -> Iterator[int]:
        """The file's descriptor, which stays open during the block; `opener` opens it where none is at hand."""
        with self._lock:
            file = self._files.get(key)
            if file is None:
                file = self._files[key] = _OpenFile(opener())
            self._files.move_to_end(key)
            file.users += 1
            self._close_surplus()
        try:
            yield file.descriptor
        finally:
            with self._lock:
                file.users -= 1

    def close(self) -> None:
        """Close every file. None may be in use."""
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1].descriptor)

    def _close_surplus(self) -> None:
        surplus = len(self._files) - self._limit
        if surplus > 0:
            for key in [key for key, file in self._files.items() if not file.users][:surplus]:
                os.close(self._files.pop(key).descriptor)
