"""The sending half of a virtual stream: what was accepted and not read yet, within a window."""

from __future__ import annotations

from collections.abc import Callable

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.simnet.block import END, Block, Part

LEAST = 16 * 1024  # bytes of room a sender is woken for: crumbs would stay crumbs


class SendQueue:
    """Bytes in the order they were accepted: never more than the window that the other side has not read.

    `wake` is called when there is something to take.
    """

    __slots__ = ("_is_finishing", "_least", "_length", "_room", "_to", "_unsent", "_wake", "_writers", "is_closed")

    def __init__(self, to: Endpoint, window: int, wake: Callable[[], None]) -> None:
        self._to = to
        self._room = window
        self._least = max(1, min(LEAST, window // 2))
        self._wake = wake
        self._unsent: list[Part] = []  # none of them empty
        self._length = 0  # bytes of them
        self._is_finishing = False  # the end follows what is unsent
        self.is_closed = False  # nothing more is accepted
        self._writers: trio.lowlevel.ParkingLot | None = None  # as soon as anybody has waited for room

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._unsent) or self._is_finishing

    def put(self, parts: list[Part]) -> bool:
        """Accept all of it, if there is room. Raises NetworkError if nothing is accepted any more."""
        self._check_open()
        length = sum(map(len, parts))
        if length > self._room:
            return False
        self._accept(parts, length)
        self._wake()
        return True

    def _accept(self, parts: list[Part], length: int) -> None:
        self._unsent += parts
        self._length += length
        self._room -= length

    async def put_slowly(self, parts: list[Part]) -> None:
        """The same, waiting for room; what was accepted before a cancellation will be sent."""
        for unsent in parts:
            while unsent:
                if self._room < min(self._least, len(unsent)):
                    self._wake()
                    await self._wait_for_room()
                    self._check_open()
                    continue
                part, unsent = unsent[: self._room], unsent[self._room :]
                self._accept([part], len(part))
        self._wake()

    async def _wait_for_room(self) -> None:
        if self._writers is None:
            self._writers = trio.lowlevel.ParkingLot()
        await self._writers.park()

    def take(self, most: int) -> tuple[Block, int] | None:
        """Up to `most` bytes to send next, and how many; END once after the last; None while there is nothing."""
        unsent = self._unsent
        if not unsent:
            if not self._is_finishing:
                return None
            self._is_finishing = False
            return END, 0
        length = self._length
        if length <= most:
            self._unsent, self._length = [], 0
            return unsent, length
        count = length = 0
        for part in unsent:
            if length + len(part) > most:
                break
            length += len(part)
            count += 1
        block = unsent[:count]
        del unsent[:count]
        if length < most:
            block.append(unsent[0][: most - length])
            unsent[0] = unsent[0][most - length :]
        self._length -= most
        return block, most

    def credit(self, length: int) -> None:
        """The other side has read that much."""
        self._room += length
        self._wake_writers()

    def finish(self) -> None:
        """Accept no more; what was accepted still goes out, and then the end."""
        if not self.is_closed:
            self._is_finishing = True
            self.close()
            self._wake()

    def close(self) -> None:
        """Accept no more; whoever waits for room is told."""
        self.is_closed = True
        self._wake_writers()

    def drop(self) -> None:
        """Forget what has not left."""
        self.close()
        self._is_finishing = False
        self._unsent, self._length = [], 0

    def _wake_writers(self) -> None:
        if self._writers:
            self._writers.unpark_all()

    def _check_open(self) -> None:
        if self.is_closed:
            raise NetworkError(f"the connection to {self._to} is closed")
