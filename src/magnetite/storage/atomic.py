"""Replacing a small file so that a crash leaves the old one or the new one, whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from magnetite.storage.failures import naming


def write_atomically(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`: on the disk itself when this returns. Blocks; raises StorageError.

    Written beside it, synced, renamed, the folder synced. The folder is made if it is missing; nobody but the owner
    may read the file.
    """
    temporary = path.with_name(path.name + ".new")  # always the same, so that crashes do not pile them up
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_synced(temporary, data)
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Returns when the names in `folder` are on the disk itself. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
