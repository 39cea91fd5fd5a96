"""A virtual UDP socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import BATCH, Datagram
from magnetite.simnet.sleeper import Sleeper

QUEUE_BYTES = 4 << 20  # as much as a kernel keeps for the receive buffer the real socket asks for

_new = tuple.__new__  # the constructor of a named tuple is Python, and takes three times as long


class SimDatagramSocket:
    """Implements net.base.DatagramSocket. `send` hands on what to send; `deliver` is how datagrams come in."""

    def __init__(self, local: Endpoint, send: Callable[[bytes, Endpoint], bool], release: Callable[[], object]) -> None:
        self.local = local
        self._send = send
        self._release = release
        self._queue: deque[Datagram] = deque()
        self._queued = 0  # bytes
        self._closed = False
        self._reader = Sleeper()

    def send(self, data: bytes, to: Endpoint) -> bool:
        return not self._closed and self._send(bytes(data), to)

    def deliver(self, data: bytes, source: Endpoint) -> None:
        """A datagram arrived; it is lost where nobody reads fast enough."""
        queued = self._queued + len(data)
        if self._closed or queued > QUEUE_BYTES:
            return
        self._queue.append(_new(Datagram, (data, source)))
        self._queued = queued
        self._reader.wake()

    async def receive_batch(self) -> list[Datagram]:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._queue:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while not self._queue:
            if self._closed:
                raise NetworkError(f"the socket {self.local} is closed")
            await self._reader.sleep()
        queue = self._queue
        if len(queue) <= BATCH:
            batch = list(queue)
            queue.clear()
            self._queued = 0
        else:
            batch = [queue.popleft() for _ in range(BATCH)]
            self._queued -= sum(len(datagram.data) for datagram in batch)
        return batch

    def close(self) -> None:
        """Let go of the port; whoever receives is told."""
        if not self._closed:
            self._closed = True
            self._queue.clear()
            self._release()
            self._reader.wake()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.cancel_shielded_checkpoint()
