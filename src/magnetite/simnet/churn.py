"""When hosts come and go: lengths of sessions, and times of arrival. Pure.

Sessions are Weibull with a shape below one: who has stayed long will stay long. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi
from random import Random
from typing import Final

DAY: Final = 86_400.0  # seconds
_LIVES: Final = 200  # drawn for one residual life


@dataclass(frozen=True, slots=True)
class Sessions:
    """Weibull-distributed lengths of stay. The defaults go through what Wang and Kangasharju (2013) tell of the DHT."""

    shape: float = 0.43  # published fits for swarms are 0.34 to 0.82
    scale: float = 470 * 60.0

    def length(self, rng: Random) -> float:
        """Of a session that begins now."""
        return rng.weibullvariate(self.scale, self.shape)

    def rest(self, rng: Random) -> float:
        """Of one that is met at a random moment: long ones are met more often, and somewhere in their midst."""
        lives = [self.length(rng) for _ in range(_LIVES)]
        return rng.choices(lives, lives)[0] * rng.random()


def poisson(rate: float, rng: Random) -> Iterator[float]:
    """Times of arrival without end, `rate` a second on average, each independent of the others."""
    now = 0.0
    while True:
        now += rng.expovariate(rate)
        yield now


def diurnal(rate: float, rng: Random, *, swing: float = 0.5, peak: float = 20 / 24 * DAY) -> Iterator[float]:
    """The same over days: `rate` a second on average, by the share `swing` more at the hour `peak` and less at night.

    Time 0 is midnight. `swing` is 0 to 1.
    """
    most = rate * (1 + swing)
    for now in poisson(most, rng):  # more than come, of whom some are turned away: thinning
        if rng.random() * most < rate * (1 + swing * cos(2 * pi * (now - peak) / DAY)):
            yield now
