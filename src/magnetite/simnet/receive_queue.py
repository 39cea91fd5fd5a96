"""The receiving half of a virtual stream."""

from __future__ import annotations

from collections.abc import Awaitable
from enum import Enum, auto
from random import Random
from typing import Any

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.simnet.block import Block, Part
from magnetite.sleeper import Sleeper


class State(Enum):
    OPEN = auto()
    ENDED = auto()  # the other side closed
    BROKEN = auto()


class ReceiveQueue:
    """Bytes that arrived and were not read, and how the stream ended. The sender's window bounds it.

    An ending is final: what arrives after it is not kept.
    """

    __slots__ = ("_arrived", "_reader", "_rechunk", "_remote", "_state")

    def __init__(self, remote: Endpoint, rechunk: Random | None) -> None:
        self._remote = remote
        self._rechunk = rechunk
        self._arrived: list[Part] = []
        self._state = State.OPEN
        self._reader = Sleeper()

    def append(self, block: Block) -> None:
        if self._state is State.OPEN:
            self._arrived += block
            self._reader.wake()

    def end(self) -> None:
        """There will be no more; what is here can be read, and then the end."""
        self._finish(State.ENDED)

    def lose(self) -> None:
        """The connection broke; what is here can be read, and then the error."""
        self._finish(State.BROKEN)

    def close(self) -> None:
        """Our own side closed: nobody may read any more; whoever waits is told."""
        self._arrived.clear()
        self._state = State.BROKEN
        self._reader.wake()

    def _finish(self, state: State) -> None:
        if self._state is State.OPEN:
            self._state = state
            self._reader.wake()

    @property
    def is_ready(self) -> bool:
        """Whether there is something to take, or to be told."""
        return bool(self._arrived) or self._state is not State.OPEN

    def arrival(self) -> Awaitable[Any]:
        """Until it is ready, which it is not yet; to be awaited at once."""
        return self._reader.sleep()

    def take_into(self, buffer: bytearray | memoryview) -> int:
        """Fill the front of `buffer`: how many bytes, 0 at the end. Raises NetworkError if the connection broke."""
        if not self._arrived:
            if self._state is State.BROKEN:
                raise NetworkError(f"the connection to {self._remote} broke")
            return 0
        with memoryview(buffer) as view:
            return self._fill(view, self._most(len(view)))

    def _most(self, length: int) -> int:
        """How much one call may hand over: a random part of what there is, where chunks are to differ."""
        if self._rechunk is None or length == 0:
            return length
        return self._rechunk.randint(1, min(length, sum(map(len, self._arrived))))

    def _fill(self, view: memoryview, most: int) -> int:
        arrived = self._arrived
        filled = taken = 0
        for part in arrived:
            end = filled + len(part)
            if end > most:
                view[filled:most] = part[: most - filled]
                arrived[taken] = part[most - filled :]
                filled = most
                break
            view[filled:end] = part
            filled = end
            taken += 1
        del arrived[:taken]
        return filled
