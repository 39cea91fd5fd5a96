"""Complete pieces on their way to the disk: the one place where a fast network waits for a slow disk."""

from __future__ import annotations

from collections import deque

from trio.lowlevel import ParkingLot

from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import Peer

MOST_WAITING = 8  # pieces; with more, buffers grow to hundreds of megabytes before the disk is noticed


class CommitQueue:
    """Pieces wait here, not in the tasks of the peers that completed them: a lost connection loses no piece."""

    def __init__(self) -> None:
        self._waiting: deque[PartialPiece[Peer]] = deque()
        self._takers = ParkingLot()
        self._fillers = ParkingLot()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, partial: PartialPiece[Peer]) -> None:
        """Never waits: peers wait in `room` before they read on."""
        self._waiting.append(partial)
        self._takers.unpark()

    async def take(self) -> PartialPiece[Peer]:
        while not self._waiting:
            await self._takers.park()
        if len(self._waiting) <= MOST_WAITING:
            self._fillers.unpark_all()
        return self._waiting.popleft()

    async def room(self) -> None:
        """Returns once fewer than MOST_WAITING pieces wait; not a checkpoint while there is room."""
        while len(self._waiting) >= MOST_WAITING:
            await self._fillers.park()
