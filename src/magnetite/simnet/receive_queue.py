"""The receiving half of a virtual stream."""

from __future__ import annotations

from enum import Enum, auto
from random import Random

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.simnet.block import Block, Part
from magnetite.simnet.sleeper import Sleeper


class State(Enum):
    OPEN = auto()
    ENDED = auto()  # the other side closed
    BROKEN = auto()


class ReceiveQueue:
    """Bytes that arrived and were not read, and how the stream ended. The sender's window bounds it.

    An ending is final: what arrives after it is not kept.
    """

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

    async def take_into(self, buffer: bytearray | memoryview) -> int:
        """Fill the front of `buffer`: how many bytes, 0 at the end. A cancelled call has taken nothing.

        What is there already is handed over without a turn for others: the window bounds how often.
        """
        if self._arrived or self._state is not State.OPEN:
            await trio.lowlevel.checkpoint_if_cancelled()
        while not self._arrived:
            if self._state is State.BROKEN:
                raise NetworkError(f"the connection to {self._remote} broke")
            if self._state is State.ENDED:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return 0
            await self._reader.sleep()
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
