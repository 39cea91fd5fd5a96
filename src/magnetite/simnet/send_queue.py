"""The sending half of a virtual stream: a window, and blocks that leave one after the other."""

from __future__ import annotations

from collections.abc import Callable

import trio

from magnetite.errors import NetworkError
from magnetite.simnet.path import Path

BLOCK = 16 * 1024  # bytes a stream puts on a line at once: streams that share a line take turns by it
RETRY = 1.0  # seconds until a lost segment is sent again
TRIES = 900  # Linux, too, gives up after a quarter of an hour

NOTHING = memoryview(b"")  # the segment that ends a stream


class SendQueue:
    """Bytes that were accepted and that the other side has not read: never more than the window.

    Blocks leave in order, one at a time; a lost one holds up those behind it until it gets through.
    """

    def __init__(
        self, path: Path, window: int, deliver: Callable[[memoryview], None], give_up: Callable[[], None]
    ) -> None:
        self._path = path
        self._clock = path.clock
        self._room = window
        self._least = max(1, min(BLOCK, window // 2))  # a sender is not woken for less: crumbs would stay crumbs
        self._deliver = deliver
        self._give_up = give_up
        self._unsent = bytearray()
        self._is_finishing = False  # the end follows what is unsent
        self._is_leaving = False  # a block is on the line, or waits to be sent again
        self._is_closed = False
        self._is_dropped = False
        self._last_arrival = 0.0
        self._writers = trio.lowlevel.ParkingLot()

    async def put(self, data: memoryview) -> None:
        """Accept all of `data`, waiting for room; what was accepted before a cancellation will be sent."""
        await trio.lowlevel.checkpoint()
        while True:
            if self._is_closed:
                raise NetworkError(f"the connection to {self._path.to} is closed")
            if not data:
                return
            if self._room < min(self._least, len(data)):
                await self._writers.park()
                continue
            part, data = data[: self._room], data[self._room :]
            self._room -= len(part)
            self._unsent += part
            self._pump()

    def credit(self, length: int) -> None:
        """The other side has read that much."""
        self._room += length
        self._writers.unpark_all()

    def finish(self) -> None:
        """Accept no more; what was accepted still goes out, and then the end."""
        if not self._is_closed:
            self._is_finishing = True
            self.close()
            self._pump()

    def close(self) -> None:
        """Accept no more; whoever waits for room is told."""
        self._is_closed = True
        self._writers.unpark_all()

    def drop(self) -> None:
        """Forget what has not left."""
        self.close()
        self._is_dropped = True
        self._is_finishing = False
        self._unsent.clear()

    def _pump(self) -> None:
        while not self._is_leaving and (self._unsent or self._is_finishing):
            block = self._next_block()
            departure = self._path.departure(len(block))
            if departure > self._clock.now:
                self._is_leaving = True
                self._clock.at(departure, self._leave, block, TRIES)
            else:
                self._send(block, TRIES)

    def _next_block(self) -> memoryview:
        if not self._unsent:
            self._is_finishing = False
            return NOTHING
        block = bytes(self._unsent[:BLOCK])
        del self._unsent[:BLOCK]
        return memoryview(block)

    def _leave(self, block: memoryview, tries: int) -> None:
        self._is_leaving = False
        if not self._is_dropped:
            self._send(block, tries)
            self._pump()

    def _send(self, block: memoryview, tries: int) -> None:
        """Send a block that is through the line; if it is lost, try again until there are no `tries` left."""
        arrival = self._path.arrival(block)
        if arrival is not None:
            self._last_arrival = max(self._last_arrival, arrival)  # no block overtakes another
            self._clock.at(self._last_arrival, self._arrive, block)
        elif tries:
            self._is_leaving = True
            self._clock.at(self._clock.now + RETRY, self._leave, block, tries - 1)
        else:
            self._give_up()

    def _arrive(self, block: memoryview) -> None:
        delivery = self._path.delivery(len(block))
        if delivery > self._clock.now:
            self._clock.at(delivery, self._deliver, block)
        else:
            self._deliver(block)
