"""The end of a uTP connection that a program holds."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import Buffer
from magnetite.net.utp.connection import Connection, State


class UtpStream:
    """Implements net.base.ByteStream. Made by UtpPort; `flush` tells it that there may be something to send.

    One task may read while another writes. Buffers are copied before `send_all` returns, and it returns when the last
    byte has been accepted, which is before it arrives. A cancelled `receive_into` has taken nothing; a cancelled
    `send_all` may have sent a prefix.
    """

    def __init__(
        self, connection: Connection, local: Endpoint, remote: Endpoint, flush: Callable[[UtpStream, float], object]
    ) -> None:
        self.connection = connection
        self.local = local
        self.remote = remote
        self.due = inf  # when the port looks after it next, at the latest
        self._flush = flush
        self._is_closed = False
        self.opened = trio.lowlevel.ParkingLot()  # for who dialled
        self._readers = trio.lowlevel.ParkingLot()
        self._writers = trio.lowlevel.ParkingLot()

    def wake(self) -> None:
        """Something has happened: whoever waits for it goes on."""
        if self.opened and self.connection.state is not State.SYN_SENT:
            self.opened.unpark_all()
        if self._readers and self.connection.is_readable:
            self._readers.unpark_all()
        if self._writers and self.connection.is_writable:
            self._writers.unpark_all()

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.connection.is_readable:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while True:
            self._refuse_if_closed("receive from")
            with memoryview(buffer) as view:
                length = self.connection.read_into(view)
            if length is not None:
                break
            await self._readers.park()
        if self.connection.has_window_news:
            self._flush(self, trio.current_time())
        return length

    async def send_all(self, *buffers: Buffer) -> None:
        await trio.lowlevel.checkpoint()
        self._refuse_if_closed("send to")
        for buffer in buffers:
            rest = memoryview(buffer)
            while rest:
                accepted = self.connection.write(rest)
                rest = rest[accepted:]
                if rest:
                    self._flush(self, trio.current_time())
                    if not self.connection.is_writable:
                        await self._writers.park()
                    self._refuse_if_closed("send to")
        self._flush(self, trio.current_time())

    async def aclose(self) -> None:
        """What was accepted still goes out, and an end behind it."""
        if not self._is_closed:
            self._is_closed = True
            now = trio.current_time()
            self.connection.close(now)
            self._flush(self, now)
            self._readers.unpark_all()
            self._writers.unpark_all()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def _refuse_if_closed(self, what: str) -> None:
        if self._is_closed:
            raise NetworkError(f"cannot {what} {self.remote}: the stream is closed")
