"""What befalls a host for a while, as blocks: `with unplugged(host): await trio.sleep(60)`.

What befalls packets is in `faults`; an address changes for good: see `Fabric.move`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from magnetite.simnet.disk import Disk
from magnetite.simnet.host import Host


@contextmanager
def unplugged(*hosts: Host) -> Iterator[None]:
    """They have no network, and notice."""
    for host in hosts:
        host.unplug()
    try:
        yield
    finally:
        for host in hosts:
            host.plug()


@contextmanager
def down(host: Host, disk: Disk | None = None, *, is_lost: bool = False) -> Iterator[None]:
    """It has crashed, without a goodbye; after the block it is up again, without any socket.

    Who ran on it is for the caller to cancel. Of its disk all is there that was written, or, if it `is_lost`, nothing.
    """
    host.crash()
    if disk is not None:
        disk.crash(is_lost=is_lost)
    try:
        yield
    finally:
        host.restart()


@contextmanager
def full(*disks: Disk) -> Iterator[None]:
    """Nothing can be written to them."""
    for disk in disks:
        disk.is_full = True
    try:
        yield
    finally:
        for disk in disks:
            disk.is_full = False
