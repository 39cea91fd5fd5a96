"""How long an answer takes, and how long to wait for one. Pure."""

from __future__ import annotations

from typing import Final

FIRST_TIMEOUT: Final = 1.0  # seconds, until there is a sample (BEP 29, timeouts)
LEAST_TIMEOUT: Final = 0.5  # seconds (BEP 29, timeouts)
MOST_TIMEOUT: Final = 30.0  # seconds: dialling anew is sooner done
MOST_DOUBLED: Final = 4.0  # seconds up to which it is doubled: one packet in that time burdens no line


class RoundTrip:
    """Smoothed round trip, its deviation, and the timeout of them; seconds. `smoothed` is 0 before the first sample."""

    def __init__(self) -> None:
        self.smoothed = 0.0
        self._deviation = 0.0
        self._timeout = FIRST_TIMEOUT
        self._doublings = 0

    @property
    def timeout(self) -> float:
        doubled = min(MOST_DOUBLED, self._timeout * (1 << self._doublings))
        return min(MOST_TIMEOUT, max(self._timeout, doubled))

    def add(self, sample: float) -> None:
        """A packet that was sent only once was acked after that time: others do not say which sending was acked."""
        if self.smoothed == 0.0:
            self.smoothed, self._deviation = sample, sample / 2
        else:
            self._deviation += (abs(self.smoothed - sample) - self._deviation) / 4
            self.smoothed += (sample - self.smoothed) / 8
        self._timeout = max(LEAST_TIMEOUT, self.smoothed + 4 * self._deviation)

    def back_off(self) -> None:
        """Nothing was acked within the timeout."""
        self._doublings = min(self._doublings + 1, 3)

    def come_back(self) -> None:
        """Something new was acked."""
        self._doublings = 0
