"""Complete pieces on their way to the disk: the one place where a fast network waits for a slow disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from trio.lowlevel import ParkingLot

from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import Peer

MOST_WAITING: Final = 16 << 20  # bytes, or two pieces; with more, buffers grow to hundreds of megabytes unnoticed
BATCH: Final = 4 << 20  # bytes taken at once: a hop to a thread and back costs as much as hashing 100 KiB


class CommitQueue:
    """Pieces wait here, not in the tasks of the peers that completed them: a lost connection loses no piece."""

    def __init__(self) -> None:
        self._waiting: deque[PartialPiece[Peer]] = deque()
        self._length = 0  # bytes of them
        self._takers = ParkingLot()
        self._fillers = ParkingLot()
        self._is_open = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, completed: Sequence[PartialPiece[Peer]]) -> None:
        """Never waits: peers wait in `room` before they read on."""
        self._waiting.extend(completed)
        self._length += sum(partial.length for partial in completed)
        self._takers.unpark(count=len(completed))

    async def take(self) -> list[PartialPiece[Peer]]:
        """A piece at least, and what else waits, up to BATCH."""
        while not self._waiting:
            await self._takers.park()
        taken = [self._waiting.popleft()]
        length = taken[0].length
        while self._waiting and length + self._waiting[0].length <= BATCH:
            taken.append(self._waiting.popleft())
            length += taken[-1].length
        self._length -= length
        if not self.is_full:
            self._fillers.unpark_all()
        return taken

    async def room(self) -> None:
        """Returns once there is room for another piece; not a checkpoint while there is."""
        while self.is_full and not self._is_open:
            await self._fillers.park()

    def open(self, is_open: bool) -> None:
        """While it is open nobody waits for room.

        For a torrent that is paused: nothing is asked for then, so only what is on its way still comes, and a peer
        that cannot even be rid of that for minutes would take us for dead.
        """
        self._is_open = is_open
        self._fillers.unpark_all()

    @property
    def is_full(self) -> bool:
        """Whether to wait for room."""
        return self._length >= MOST_WAITING and len(self._waiting) > 1
