"""How many bytes may be on their way: a window that shrinks before others on the line notice us. Pure.

LEDBAT as BEP 29 has it, which aims at a constant queueing delay of 100 ms, with three things that BEP and RFC 6817 do
not have and others found necessary (draft-irtf-iccrg-ledbat-plus-plus):
- slow start, since 3,000 bytes a round trip take minutes to fill a long line;
- a decrease in proportion to the window: with the BEP's, of two flows the larger stays the larger for ever;
- a pause every now and then, in which the queue drains: a flow that begins while others fill the queue takes their
  delay for the line's own, adds its 100 ms to it and starves them. The pause shows it the delay without them.
"""

from __future__ import annotations

from math import inf
from typing import Final

TARGET: Final = 0.1  # seconds of queueing delay: CCONTROL_TARGET of BEP 29
GAIN: Final = 3000  # bytes a round trip the window grows by at most; libutp and libtorrent have the same
LOSS: Final = 0.5  # what a lost packet leaves of the window (BEP 29, packet loss)
ENOUGH: Final = 0.75 * TARGET  # seconds of queueing delay at which doubling ends; the last doubling shows a trip later
FIRST: Final = 4380  # bytes of the window to begin with (RFC 3390)
LEAST_PACKETS: Final = 2  # the window that delay alone leaves: with less there is never a second ack
MOST: Final = 4 << 20  # bytes; 40 MB/s at a round trip of 100 ms
PAUSE_EVERY: Final = 10.0  # seconds
PAUSE_TRIPS: Final = 2  # round trips that a pause lasts
PAUSE_SHARE: Final = 0.5  # of what the line itself holds


class Ledbat:
    """`window` is bytes of payload. `packet` is how large packets are at present."""

    def __init__(self, packet: int) -> None:
        self.packet = packet
        self.window: float = FIRST
        self._threshold = inf  # up to here the window doubles every round trip
        self._resume_at = 0.0  # when a pause ends
        self._pause_at = inf

    def on_ack(self, acked: int, is_full: bool, queueing: float, round_trip: float, now: float) -> None:
        """`acked` bytes have arrived, and waited `queueing` seconds in queues.

        The window was full, or something else held us back: then nobody knows whether more would go through.
        """
        if now < self._resume_at:
            return
        if self._pause_at <= now and queueing > TARGET / 2:
            self._pause(self.window, queueing, round_trip, now)
            return
        if queueing > TARGET:
            shrink = min(queueing / TARGET - 1, 0.5) * acked  # a round trip acks a window
            self.window = max(LEAST_PACKETS * self.packet, self.window - shrink)
            self._threshold = min(self._threshold, self.window)
        if not is_full:
            return
        if self.window < self._threshold:
            self._double(acked, queueing, round_trip, now)
        else:
            self.window += GAIN * (1 - min(queueing / TARGET, 1)) * acked / self.window
            self._limit()

    def on_loss(self) -> None:
        self.window = max(LEAST_PACKETS * self.packet, self.window * LOSS)
        self._threshold = self.window
        self._begin_pausing(0.0)

    def on_timeout(self) -> None:
        """Nothing came back: one packet, to see whether anything does (BEP 29, timeouts)."""
        self._threshold = max(LEAST_PACKETS * self.packet, self.window * LOSS)
        self.window = self.packet

    def _double(self, acked: int, queueing: float, round_trip: float, now: float) -> None:
        if queueing <= ENOUGH:
            self.window += acked
            self._limit()
        elif self._threshold == inf:
            self._pause(self.window * (1 - min(queueing / round_trip, 0.5)), queueing, round_trip, now)
        else:
            self._threshold = self.window

    def _limit(self) -> None:
        if self.window > MOST:
            self.window = MOST

    def _pause(self, then: float, queueing: float, round_trip: float, now: float) -> None:
        """For a moment send less than the line takes, so that the queue drains; afterwards go back to `then`."""
        on_the_line = self.window * max(0.0, 1 - queueing / round_trip)
        self._threshold = then
        self.window = max(LEAST_PACKETS * self.packet, PAUSE_SHARE * on_the_line)
        self._resume_at = now + PAUSE_TRIPS * round_trip
        self._pause_at = self._resume_at + PAUSE_EVERY

    def _begin_pausing(self, now: float) -> None:
        if self._pause_at == inf:
            self._pause_at = now
