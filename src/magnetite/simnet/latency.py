"""How long a packet travels: functions of two addresses that need no memory for a pair."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import hypot
from random import Random
from typing import TypeAlias

Latency: TypeAlias = Callable[[str, str], float]  # source ip, destination ip -> seconds, one way


def constant(seconds: float) -> Latency:
    """The same for every pair."""
    return lambda source, destination: seconds


def coordinates(seed: int, *, across: float = 0.06, access_median: float = 0.008, access_sigma: float = 0.8) -> Latency:
    """An internet in small: hosts lie on a square that takes `across` seconds to cross along an edge, and each adds
    its own access line, log-normal with a long tail.

    A host's place depends on the seed and its address alone, whoever asks first.
    """

    @cache
    def place(ip: str) -> tuple[float, float, float]:
        rng = Random(f"{seed}/{ip}")
        access = access_median * rng.lognormvariate(0, access_sigma)
        return rng.random() * across, rng.random() * across, access

    def latency(source: str, destination: str) -> float:
        (x1, y1, access1), (x2, y2, access2) = place(source), place(destination)
        return access1 + access2 + hypot(x1 - x2, y1 - y2)

    return latency
