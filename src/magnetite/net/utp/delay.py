"""How long our packets wait in queues on their way: one-way delays, and the least of them. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from magnetite.net.utp.packet import CLOCK

STEP: Final = 60.0  # seconds of which the least delay is kept as one figure
KEPT: Final = 3  # figures, the current one included: two minutes and what has passed of the third (BEP 29)
FILTER: Final = 4  # samples of which the least counts: one packet held up by chance says nothing of a queue
HALF: Final = CLOCK // 2


class DelayHistory:
    """Samples are differences between two clocks that are not set alike: only what they rise and fall by has a meaning.

    They are kept relative to the first one, which is why a clock that wraps around does no harm.
    """

    def __init__(self) -> None:
        self._reference: int | None = None  # microseconds
        self._least: deque[int] = deque(maxlen=KEPT)  # microseconds, of each step
        self._base = 0
        self._step_ends = 0.0
        self._recent: deque[int] = deque(maxlen=FILTER)

    def add(self, sample: int, now: float) -> None:
        """`sample` is what the remote calls timestamp_difference_microseconds, modulo 2^32."""
        if self._reference is None:
            self._reference = sample
        delay = (sample - self._reference + HALF) % CLOCK - HALF
        self._recent.append(delay)
        if now >= self._step_ends:
            self._step_ends = now + STEP
            self._least.append(delay)
            self._base = min(self._least)
        elif delay < self._least[-1]:
            self._least[-1] = delay
            self._base = min(self._base, delay)

    @property
    def queueing(self) -> float:
        """Seconds that packets wait now, above the least of the last minutes; 0 as long as there is no sample."""
        return (min(self._recent) - self._base) / 1e6 if self._recent else 0.0
