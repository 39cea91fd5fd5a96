"""A virtual UDP socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import BATCH, Datagram, Take
from magnetite.sleeper import Sleeper

QUEUE_BYTES = 4 << 20  # as much as a kernel keeps for the receive buffer the real socket asks for

_new = tuple.__new__  # the constructor of a named tuple is Python, and takes three times as long


class SimDatagramSocket:
    """Implements net.base.DatagramSocket. `send` hands on what to send; `deliver` is how datagrams come in."""

    def __init__(self, local: Endpoint, send: Callable[[bytes, Endpoint], bool], release: Callable[[], object]) -> None:
        self.local = local
        self._send = send
        self._release = release
        self._queue: list[Datagram] = []
        self._queued = 0  # bytes
        self._closed = False
        self._reader = Sleeper()
        self._receive: Callable[[bytes, Endpoint], object] | None = None

    def send(self, data: bytes, to: Endpoint) -> bool:
        return not self._closed and self._send(bytes(data), to)

    def deliver(self, data: bytes, source: Endpoint) -> None:
        """A datagram arrived; it is lost where nobody reads fast enough."""
        if self._receive is not None:
            self._receive(data, source)
            return
        queued = self._queued + len(data)
        if self._closed or queued > QUEUE_BYTES:
            return
        self._queue.append(_new(Datagram, (data, source)))
        self._queued = queued
        self._reader.wake()

    def on_datagram(self, receive: Callable[[bytes, Endpoint], object]) -> None:
        """Hand each datagram to `receive` as it arrives: for those who are too many to have a task each.

        What it raises ends the run.
        """
        self._receive = receive

    async def receive_batch(self) -> list[Datagram]:
        if self._queue or self._closed:
            await trio.lowlevel.checkpoint()
        while not self._queue:
            if self._closed:
                raise NetworkError(f"the socket {self.local} is closed")
            await self._reader.sleep()
        batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        self._queued -= sum([len(data) for data, _ in batch])
        return batch

    async def feed(self, take: Take) -> NoReturn:
        while self._queue:
            take(await self.receive_batch())
        await trio.lowlevel.checkpoint_if_cancelled()
        self._receive = lambda data, source: take([_new(Datagram, (data, source))])
        try:
            while not self._closed:
                await self._reader.sleep()
        finally:
            self._receive = None
        raise NetworkError(f"the socket {self.local} is closed")

    def close(self) -> None:
        """Let go of the port; whoever receives is told."""
        if not self._closed:
            self._closed = True
            self._queue.clear()
            self._receive = None
            self._release()
            self._reader.wake()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.cancel_shielded_checkpoint()
