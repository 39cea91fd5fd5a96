"""Where the web side of a node listens: a Unix socket for its owner, TCP for whoever may read its metrics."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import trio

from magnetite.errors import NetworkError, Reason, StorageError
from magnetite.storage.failures import naming

BACKLOG: Final = 64
LONGEST_PATH: Final = 107  # bytes that fit into a sockaddr_un, on Linux; elsewhere it is a few less


@asynccontextmanager
async def unix_listener(path: Path) -> AsyncIterator[trio.SocketListener]:
    """A listener at `path` that nobody but the owner may connect to. The socket is gone after the block.

    One that a dead program left is replaced. Raises StorageError where something else is in the way or the folder
    cannot be written, and NetworkError where somebody listens there, or the path is too long for a socket.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        message = f"{path}: a socket's path has at most {LONGEST_PATH} bytes; choose a shorter one with --control"
        raise NetworkError(message, Reason.ADDRESS_UNAVAILABLE)
    unbound = socket.socket(socket.AF_UNIX)
    try:
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale(path)
            unbound.bind(os.fspath(path))
            os.chmod(path, 0o600)  # before it listens: nobody can have connected
        inode = os.stat(path).st_ino
        unbound.listen(BACKLOG)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(unbound))
    except BaseException:
        unbound.close()
        raise
    try:
        yield listener
    finally:
        with trio.CancelScope(shield=True):
            await listener.aclose()
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == inode:  # else it is somebody else's by now
                os.unlink(path)


@asynccontextmanager
async def tcp_listener(host: str, port: int, flag: str = "--metrics") -> AsyncIterator[trio.SocketListener]:
    """A listener at an address; a name stands for one of its addresses. Raises NetworkError if it cannot be bound.

    `flag` is what the user named the address with.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    unbound = socket.socket(family)
    try:
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        unbound.bind((host, port))
        unbound.listen(BACKLOG)
    except OSError as error:
        unbound.close()
        message = f"cannot listen on {host} port {port} for {flag}: {error.strerror or error}"
        raise NetworkError(message, Reason.ADDRESS_UNAVAILABLE) from error
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(unbound))
    async with listener:
        yield listener


def _remove_stale(path: Path) -> None:
    """Raises OSError, StorageError or NetworkError."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StorageError(f"{path}: something else than a socket stands there; move it away", Reason.FILES_IN_THE_WAY)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(os.fspath(path))
    if answer not in (errno.ECONNREFUSED, errno.ENOENT):
        raise NetworkError(f"{path}: another program listens there", Reason.ADDRESS_UNAVAILABLE)
    os.unlink(path)
