"""A rate that is never exceeded, given away in turns. Pure."""

from __future__ import annotations

from math import inf


class Pacer:
    """Turns at `rate` a second, after a quiet time up to `burst` of them at once.

    Whoever comes too early learns when its turn is, so that a wait costs one wake-up however many wait, and the turns
    are fair: first come, first served.
    """

    __slots__ = ("_interval", "_next", "_slack")

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1 / rate
        self._slack = burst / rate  # seconds the next turn may lie in the past
        self._next = -inf

    def reserve(self, now: float) -> float:
        """The time of the turn that is now the caller's: `now`, or later."""
        turn = max(self._next, now - self._slack + self._interval)
        self._next = turn + self._interval
        return max(turn, now)

    def take(self, now: float) -> bool:
        """Take a turn only if one is free at this moment: who is not worth waiting for delays nobody."""
        return self.is_free(now) and self.reserve(now) <= now

    def is_free(self, now: float) -> bool:
        """Whether a turn reserved now would be now."""
        return self._next <= now
