"""How fast new connections are dialled. Pure."""

from __future__ import annotations

from math import inf


class Pacer:
    """Hands out moments, `rate` a second on average, after a quiet time up to `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1 / rate
        self._slack = burst / rate
        self._next = -inf

    def reserve(self, now: float) -> float:
        """Seconds until the moment that is now the caller's."""
        self._next = max(self._next, now - self._slack) + self._interval
        return max(0.0, self._next - now)
