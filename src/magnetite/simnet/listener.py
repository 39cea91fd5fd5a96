"""A virtual listening socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.simnet.stream import SimStream

BACKLOG = 128  # connections that wait to be accepted; more are not answered, as by a kernel


class SimListener:
    """Implements net.base.Listener. Made by `Host.listen`."""

    def __init__(self, local: Endpoint, release: Callable[[], object]) -> None:
        self.local = local
        self._release = release
        self._waiting: deque[SimStream] = deque()
        self._is_closed = False
        self._acceptors = trio.lowlevel.ParkingLot()

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= BACKLOG

    def enqueue(self, stream: SimStream) -> None:
        self._waiting.append(stream)
        self._acceptors.unpark()

    async def accept(self) -> SimStream:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._waiting:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while not self._waiting:
            if self._is_closed:
                raise NetworkError(f"the listener {self.local} is closed")
            await self._acceptors.park()
        return self._waiting.popleft()

    def close(self) -> None:
        """Listen no more; connections that nobody accepted break."""
        if not self._is_closed:
            self._is_closed = True
            self._release()
            while self._waiting:
                self._waiting.popleft().abort()
            self._acceptors.unpark_all()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.cancel_shielded_checkpoint()
