"""How blocks get from one end of a stream to the other where streams take turns on the lines: the cheap way.

Streams that share a line get equal parts of it, at once and without loss, and each has one block waiting for it. So
throughput is that of well-behaved TCP in its steady state; there is no slow start, and a queue does not fill up.
"""

from __future__ import annotations

from collections.abc import Callable

from magnetite.simnet.block import Block
from magnetite.simnet.path import Path
from magnetite.simnet.send_queue import SendQueue

BLOCK = 16 * 1024 + 64  # bytes a stream puts on a line at once: a block of a torrent, and the head of its message
RETRY = 1.0  # seconds until a lost segment is sent again
SOON = 1e-4  # seconds: what is through the receiver's line as soon as that is there at once
TRIES = 900  # Linux, too, gives up after a quarter of an hour


class Turns:
    """Blocks leave in order, one at a time; a lost one holds up those behind it until it gets through."""

    __slots__ = (
        "_clock",
        "_deliver",
        "_give_up",
        "_is_dropped",
        "_is_leaving",
        "_last_arrival",
        "_path",
        "queue",
    )

    def __init__(self, path: Path, deliver: Callable[[Block], None], give_up: Callable[[], None]) -> None:
        self.queue: SendQueue
        self._path = path
        self._clock = path.clock
        self._deliver = deliver
        self._give_up = give_up
        self._is_leaving = False  # a block is on the line, or waits to be sent again
        self._last_arrival = 0.0
        self._is_dropped = False

    def wake(self) -> None:
        """There may be something to send."""
        clock = self._clock
        while not self._is_leaving and (taken := self.queue.take(BLOCK)) is not None:
            block, length = taken
            departure = self._path.sender.uplink.reserve(clock.now, length)
            if departure <= clock.now:
                self._send(block, length, TRIES)
            else:
                self._is_leaving = True
                clock.at(departure, self._leave, block, length, TRIES)

    def drop(self) -> None:
        """Send no more."""
        self._is_dropped = True

    def _leave(self, block: Block, length: int, tries: int) -> None:
        self._is_leaving = False
        if not self._is_dropped:
            self._send(block, length, tries)
            self.wake()

    def _send(self, block: Block, length: int, tries: int) -> None:
        """Send a block that is through the line; if it is lost, try again until there are no `tries` left."""
        seconds = self._path.travel(block)
        if seconds is not None:
            self._last_arrival = max(self._last_arrival, self._clock.now + seconds)  # no block overtakes another
            self._clock.at(self._last_arrival, self._arrive, block, length)
        elif tries:
            self._is_leaving = True
            self._clock.at(self._clock.now + RETRY, self._leave, block, length, tries - 1)
        else:
            self._give_up()

    def _arrive(self, block: Block, length: int) -> None:
        delivery = self._path.receiver.downlink.reserve(self._clock.now, length)
        if delivery > self._clock.now + SOON:
            self._clock.at(delivery, self._deliver, block)
        else:
            self._deliver(block)
