"""How fast bytes have been flowing lately. Pure."""

from __future__ import annotations

BUCKET = 1.0  # seconds a bucket covers


class RateMeter:
    """Bytes per second over a sliding window of whole buckets, and the total since the start.

    Invariant: at most `window / BUCKET + 1` buckets are kept, whatever is added.
    """

    __slots__ = ("_buckets", "_since", "_window", "total")

    def __init__(self, window: float = 10.0) -> None:
        self._window = window
        self._buckets: list[list[float]] = []  # [start, bytes]; so few that a deque would be ten times as large
        self._since: float | None = None
        self.total = 0

    def add(self, length: int, now: float) -> None:
        self.total += length
        if self._since is None:
            self._since = now
        if self._buckets and now - self._buckets[-1][0] < BUCKET:
            self._buckets[-1][1] += length
        else:
            self._drop_old(now)
            self._buckets.append([now, length])

    def rate(self, now: float) -> float:
        """Bytes per second over the window, or over the time since the first byte where that is shorter."""
        self._drop_old(now)
        if self._since is None or not self._buckets:
            return 0.0
        return sum(length for _, length in self._buckets) / max(BUCKET, min(self._window, now - self._since))

    def _drop_old(self, now: float) -> None:
        while self._buckets and self._buckets[0][0] <= now - self._window:
            del self._buckets[0]
