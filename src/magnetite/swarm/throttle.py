"""How fast a client, and each of its torrents, may send and receive. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from magnetite.errors import LocalProtocolError

SLOWEST: Final = 1024  # bytes/s; slower than that, a block takes longer than peers are willing to wait for one
SLACK: Final = 0.2  # seconds of the rate that may be made up for: whoever waits is woken late
TURN: Final = 0.05  # seconds of the rate that are moved in one turn, so that peers take turns often
SHORTEST_TURN, LONGEST_TURN = 1 << 10, 256 << 10  # bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes/s in each direction; None for no limit. Raises LocalProtocolError for less than SLOWEST."""

    download: float | None = None
    upload: float | None = None

    def __post_init__(self) -> None:
        for rate in (self.download, self.upload):
            if rate is not None and not SLOWEST <= rate < inf:
                raise LocalProtocolError(f"a rate limit of {rate:g} bytes/s: it must be at least {SLOWEST}, or None")


class Throttle:
    """One direction's bytes at no more than `rate` bytes/s, and at no more than `shared` allows.

    Bytes are charged when they have moved, and whoever moved them learns when it may move the next: a wait costs one
    wake-up however many wait, and the turns are fair, first come, first served. No turn should be longer than `turn`
    bytes, so that a fast peer does not get more of the rate than a slow one.
    """

    turn: int  # bytes
    rate: float  # bytes/s that can come of both

    def __init__(self, rate: float, shared: Throttle | None = None) -> None:
        turn = int(min(max(SHORTEST_TURN, rate * TURN), LONGEST_TURN))
        self.turn = min(turn, shared.turn) if shared else turn
        self.rate = min(rate, shared.rate) if shared else rate
        self._rate = rate
        self._shared = shared
        self._paid = -inf  # the time by which all that has moved may have moved

    def charge(self, length: int, now: float) -> float:
        """The time at which somebody who has just moved `length` bytes may go on; in the past where that is now."""
        self._paid = max(self._paid, now - SLACK) + length / self._rate
        return max(self._paid, self._shared.charge(length, now)) if self._shared else self._paid


class Throttles:
    """What both directions pass, None where nothing is limited: a client's, or a torrent's within its client's."""

    down: Throttle | None
    up: Throttle | None

    def __init__(self, limits: Limits = Limits(), shared: Throttles | None = None) -> None:
        self._shared = shared
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """Set other limits."""
        self._limits = limits
        self.renew()

    @property
    def effective(self) -> Limits:
        """What can come of these limits and those of `shared`."""
        return Limits(self.down.rate if self.down else None, self.up.rate if self.up else None)

    def renew(self) -> None:
        """Keep within what `shared` allows now; due when its limits have changed."""
        self.down = _throttle(self._limits.download, self._shared.down if self._shared else None)
        self.up = _throttle(self._limits.upload, self._shared.up if self._shared else None)


def _throttle(rate: float | None, shared: Throttle | None) -> Throttle | None:
    return shared if rate is None else Throttle(rate, shared)
