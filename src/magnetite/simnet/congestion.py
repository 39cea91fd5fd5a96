"""How much a TCP sender has under way: slow start, additive increase, multiplicative decrease (RFC 5681). Pure."""

from __future__ import annotations

from math import inf
from typing import Final

SEGMENT: Final = 1448  # bytes; what Ethernet leaves for payload with timestamps
INITIAL: Final = 10 * SEGMENT  # RFC 6928
LEAST: Final = 2 * SEGMENT
FIRST_TIMEOUT: Final = 1.0  # seconds, before anything was measured and at least (RFC 6298)
LONGEST_TIMEOUT: Final = 60.0


class CongestionWindow:
    """The window of one direction, bytes, and the smoothed round trip.

    A window is halved once for all segments that were sent before the sender learned of a loss. Segments are numbered
    from 0 as they are sent for the first time.
    """

    def __init__(self) -> None:
        self.window = float(INITIAL)
        self.round_trip: float | None = None  # seconds, smoothed
        self._threshold = inf
        self._reduced_before = 0  # segments below this number were sent before the last reduction

    @property
    def timeout(self) -> float:
        """Seconds without an answer after which a segment is taken for lost, where nothing else shows it."""
        return FIRST_TIMEOUT if self.round_trip is None else max(FIRST_TIMEOUT, 2 * self.round_trip)

    def on_acknowledged(self, length: int, round_trip: float) -> None:
        """`length` bytes arrived, and that is known `round_trip` seconds after they were sent."""
        self.round_trip = round_trip if self.round_trip is None else 0.875 * self.round_trip + 0.125 * round_trip
        if self.window < self._threshold:
            self.window += length
        else:
            self.window += SEGMENT * length / self.window

    def on_loss(self, number: int, next_number: int) -> None:
        """Segment `number` was lost, as later ones show that arrived; `next_number` is not sent yet."""
        if number >= self._reduced_before:
            self._threshold = max(self.window / 2, LEAST)
            self.window = self._threshold
            self._reduced_before = next_number

    def on_timeout(self) -> None:
        """What was sent again got lost as well."""
        self._threshold = max(self.window / 2, LEAST)
        self.window = float(SEGMENT)
