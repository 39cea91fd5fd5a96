"""One node a state folder: two with one node id would each get the other's answers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from magnetite.errors import Reason, StorageError
from magnetite.storage.failures import naming

LOCK: Final = "node.lock"  # in the state folder; it stays there, empty of meaning once its process is gone


@contextmanager
def locking(folder: Path) -> Iterator[None]:
    """Hold the folder for this process. The system lets go of it however the process ends.

    Raises StorageError if another process holds it, or it cannot be written.
    """
    path = folder / LOCK
    with naming(path):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with naming(path):
            _lock(descriptor, folder)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
        message = f"{folder}: another node uses this folder (process {owner}); name another with --state"
        raise StorageError(message, Reason.FILES_IN_THE_WAY) from None
