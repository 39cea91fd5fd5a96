"""TCP streams and listeners of the operating system."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import Buffer
from magnetite.net.failure import bind_failure, connect_failure, lost
from magnetite.net.sockets import Tie, endpoint_of, new_socket

BACKLOG = 128
GATHER = os.sysconf("SC_IOV_MAX")  # most buffers one sendmsg takes; 1024 on Linux
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
WAIT_FOR_FILES = 0.1  # seconds until accept is tried again when there are no file descriptors left


class TcpStream:
    """Implements net.base.ByteStream. One task may read while another writes.

    A cancelled `receive_into` has taken nothing; a cancelled `send_all` may have sent a prefix, after which the stream
    is good for nothing but closing.
    """

    def __init__(self, connected: socket.socket, remote: Endpoint) -> None:
        connected.setblocking(False)
        connected.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # send_all gathers; waiting for more only delays
        self.local = endpoint_of(connected.getsockname())
        self.remote = remote
        self._socket = connected
        self._is_closed = False

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        await trio.lowlevel.checkpoint()  # not behind the read, for then the buffer would not be ours alone
        while (length := self._receive_now(buffer)) is None:
            with suppress(trio.ClosedResourceError):  # told by _receive_now
                await trio.lowlevel.wait_readable(self._socket)
        return length

    def _receive_now(self, buffer: bytearray | memoryview) -> int | None:
        """How much was there, 0 at the end; None if there is nothing yet."""
        try:
            return self._socket.recv_into(buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            raise lost(error, f"cannot receive from {self.remote}") from error

    async def send_all(self, *buffers: Buffer) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        unsent = list(buffers)
        first = 0
        while first < len(unsent):
            sent = self._send_now(unsent[first : first + GATHER])
            if sent is None:
                with suppress(trio.ClosedResourceError):  # told by _send_now
                    await trio.lowlevel.wait_writable(self._socket)
            else:
                first = _advance(unsent, first, sent)
        await trio.lowlevel.cancel_shielded_checkpoint()  # after the send, so that others' turns do not delay it

    def _send_now(self, buffers: list[Buffer]) -> int | None:
        """How much the kernel took; None if it has no room."""
        try:
            return self._socket.sendmsg(buffers)
        except BlockingIOError:
            return None
        except OSError as error:
            raise lost(error, f"cannot send to {self.remote}") from error

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            _close(self._socket)
        await trio.lowlevel.cancel_shielded_checkpoint()


class TcpListener:
    """Implements net.base.Listener."""

    def __init__(self, listening: socket.socket) -> None:
        self.local = endpoint_of(listening.getsockname())
        self._socket = listening
        self._is_closed = False

    async def accept(self) -> TcpStream:
        """The next connection; one that broke meanwhile is passed over. Raises NetworkError once closed."""
        await trio.lowlevel.checkpoint()
        while not self._is_closed:
            try:
                return _accepted(*self._socket.accept())
            except BlockingIOError:
                with suppress(trio.ClosedResourceError):  # told below
                    await trio.lowlevel.wait_readable(self._socket)
            except OSError as error:  # accept(2) tells errors of the new connection, too; they are not the listener's
                await trio.sleep(WAIT_FOR_FILES if error.errno in OUT_OF_FILES else 0)
        raise NetworkError(f"the listener {self.local} is closed")

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            _close(self._socket)
        await trio.lowlevel.cancel_shielded_checkpoint()


def listen(local: Endpoint, tie: Tie | None = None) -> TcpListener:
    """Raises NetworkError(ADDRESS_UNAVAILABLE)."""
    try:
        with new_socket(socket.SOCK_STREAM, local, tie) as opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(local)
            opened.listen(BACKLOG)
            return TcpListener(opened)
    except OSError as error:
        raise bind_failure(error, f"cannot listen on TCP port {local}") from error


async def connect(remote: Endpoint, local_ip: str | None = None, tie: Tie | None = None) -> TcpStream:
    """Raises NetworkError(REFUSED, UNREACHABLE or CONNECT_TIMEOUT)."""
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        with new_socket(socket.SOCK_STREAM, remote, tie) as opened:
            if local_ip is not None:
                opened.bind((local_ip, 0))
            await _connect(opened, remote)
            return TcpStream(opened, remote)
    except OSError as error:
        raise connect_failure(error, f"cannot connect to {remote}") from error


async def _connect(opened: socket.socket, remote: Endpoint) -> None:
    """The kernel connects by itself; when the socket is writable it is decided, and SO_ERROR says how."""
    try:
        opened.connect(remote)
    except BlockingIOError:
        await trio.lowlevel.wait_writable(opened)
        failed = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise OSError(failed, os.strerror(failed)) from None
    else:
        await trio.lowlevel.cancel_shielded_checkpoint()


def _accepted(connected: socket.socket, address: tuple[object, ...]) -> TcpStream:
    try:
        return TcpStream(connected, endpoint_of(address))
    except OSError:
        connected.close()
        raise


def _advance(unsent: list[Buffer], first: int, sent: int) -> int:
    """The index of the first buffer that is not wholly sent; what was sent of it is cut off."""
    while first < len(unsent) and sent >= len(unsent[first]):
        sent -= len(unsent[first])
        first += 1
    if sent:
        unsent[first] = memoryview(unsent[first])[sent:]
    return first


def _close(opened: socket.socket) -> None:
    """Wake who waits on it, then close: by now an error has nobody to hear it."""
    trio.lowlevel.notify_closing(opened)
    with suppress(OSError):
        opened.close()
