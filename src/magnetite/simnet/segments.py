"""How bytes get from one end of a stream to the other where streams fill the queues of the lines, as TCP does.

Segments of an Ethernet frame share drop-tail queues with datagrams; a sender has as much under way as its congestion
window lets it, and learns of a loss a round trip later. Left out: delayed and lost acknowledgements (they wait behind
what is in the other side's uplink, but take no room there), selective details, pacing, ECN.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from magnetite.simnet.block import Block
from magnetite.simnet.congestion import LONGEST_TIMEOUT, SEGMENT, CongestionWindow
from magnetite.simnet.path import Path
from magnetite.simnet.send_queue import SendQueue

TRIES: Final = 15  # of one segment; Linux, too, gives up after that, a quarter of an hour


class _Segment:
    __slots__ = ("block", "length", "number", "sent_at", "tries")

    def __init__(self, number: int, block: Block, length: int) -> None:
        self.number = number
        self.block = block
        self.length = length
        self.sent_at = 0.0
        self.tries = 0


class Segments:
    """Several segments under way at once; those that overtake a lost one are held until it has come."""

    def __init__(self, path: Path, deliver: Callable[[Block], None], give_up: Callable[[], None]) -> None:
        self.queue: SendQueue
        self._path = path
        self._clock = path.clock
        self._deliver = deliver
        self._give_up = give_up
        self._congestion = CongestionWindow()
        self._under_way = 0  # bytes
        self._next = 0  # number of the next segment that is new
        self._again: deque[_Segment] = deque()  # lost ones
        self._expected = 0  # number of the next segment the other side can read
        self._held: dict[int, Block] = {}  # what it cannot read yet; the stream's window bounds it
        self._is_dropped = False

    def wake(self) -> None:
        """There may be something to send."""
        while self._under_way < self._congestion.window and (segment := self._next_segment()) is not None:
            self._transmit(segment)

    def drop(self) -> None:
        """Send no more."""
        self._is_dropped = True
        self._again.clear()

    def _next_segment(self) -> _Segment | None:
        if self._again:
            return self._again.popleft()
        taken = self.queue.take(SEGMENT)
        if taken is None:
            return None
        segment = _Segment(self._next, *taken)
        self._next += 1
        return segment

    def _transmit(self, segment: _Segment) -> None:
        clock, path = self._clock, self._path
        self._under_way += segment.length
        segment.sent_at = clock.now
        segment.tries += 1
        departure = path.sender.uplink.admit(clock.now, segment.length)
        seconds = None if departure is None else path.travel(segment.block)
        if departure is None or seconds is None:
            self._lose(segment)
        else:
            clock.at(departure + seconds, self._arrive, segment)

    def _arrive(self, segment: _Segment) -> None:
        delivery = self._path.receiver.downlink.admit(self._clock.now, segment.length)
        if delivery is None:
            self._lose(segment)
        elif delivery > self._clock.now:
            self._clock.at(delivery, self._receive, segment)
        else:
            self._receive(segment)

    def _receive(self, segment: _Segment) -> None:
        """It is at the other side, which acknowledges it."""
        path, clock = self._path, self._clock
        self._held[segment.number] = segment.block
        while (block := self._held.pop(self._expected, None)) is not None:
            self._expected += 1
            self._deliver(block)
        back = path.latency + path.receiver.uplink.wait(clock.now)
        clock.at(clock.now + back, self._on_acknowledged, segment)

    def _lose(self, segment: _Segment) -> None:
        """It is gone; those behind it show that a round trip later, or a timeout where the second try was lost, too."""
        clock, congestion = self._clock, self._congestion
        if segment.tries > 1 or congestion.round_trip is None:
            wait = min(congestion.timeout * 2 ** (segment.tries - 1), LONGEST_TIMEOUT)
        else:
            wait = congestion.round_trip + self._path.sender.uplink.wait(clock.now)
        clock.at(segment.sent_at + wait, self._on_lost, segment)

    def _on_acknowledged(self, segment: _Segment) -> None:
        self._under_way -= segment.length
        self._congestion.on_acknowledged(segment.length, self._clock.now - segment.sent_at)
        self.wake()

    def _on_lost(self, segment: _Segment) -> None:
        self._under_way -= segment.length
        if self._is_dropped:
            return
        if segment.tries >= TRIES:
            self._give_up()
            return
        if segment.tries > 1:
            self._congestion.on_timeout()
        else:
            self._congestion.on_loss(segment.number, self._next)
        self._again.append(segment)
        self.wake()
