"""Which files are in memory whatever happens: reading one never waits for a disk. Only Linux tells."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
TYPES = frozenset({"tmpfs", "ramfs"})


def is_in_memory(descriptor: int) -> bool:
    """Whether the open file is on a file system without a disk."""
    return _is_in_memory(os.fstat(descriptor).st_dev)


@cache  # a file system does not change its kind, and there are few
def _is_in_memory(device: int) -> bool:
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return False
    for line in lines:  # "36 35 0:30 / /dev/shm rw,nosuid shared:4 - tmpfs tmpfs rw" (proc_pid_mountinfo(5))
        mount, _, kind = line.partition(" - ")
        if mount.split()[2:3] == [name]:
            return kind.split()[0] in TYPES
    return False
