"""How long a packet travels: functions of two addresses that need no memory for a pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import hypot, inf
from pathlib import Path
from random import Random
from typing import TypeAlias

from magnetite.errors import LocalProtocolError

Latency: TypeAlias = Callable[[str, str], float]  # source ip, destination ip -> seconds, one way


def constant(seconds: float) -> Latency:
    """The same for every pair."""
    return lambda source, destination: seconds


def coordinates(seed: int, *, across: float = 0.06, access_median: float = 0.008, access_sigma: float = 0.8) -> Latency:
    """An internet in small: hosts lie on a square that takes `across` seconds to cross along an edge, and each adds
    its own access line, log-normal with a long tail.

    A host's place depends on the seed and its address alone, whoever asks first. With links that have a latency of
    their own (see `simnet.links`), `access_median` is what their access lines add to that; 0 for none.
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


def pairs(seed: int, *, median: float = 0.06, sigma: float = 0.9395) -> Latency:
    """Log-normal, each pair's drawn by itself: no place, but round trips as nodes of the DHT are assumed to have.

    These are 120 ms in the median and 400 ms at the 90th percentile, as in `study.population`, with which it compares.
    """

    def latency(source: str, destination: str) -> float:
        first, second = sorted((source, destination))
        return median * Random(f"{seed}/{first}/{second}").lognormvariate(0, sigma)

    return latency


def matrix(rows: Sequence[Sequence[float]], seed: int) -> Latency:
    """As measured between some places: `rows` are seconds one way, from each to each, and every host is at one of them.

    Which one depends on the seed and its address alone. Raises LocalProtocolError unless it is square and positive.
    """
    if not rows or any(len(row) != len(rows) for row in rows):
        raise LocalProtocolError("a latency matrix is as wide as it is high")
    if not all(0 <= each < inf for row in rows for each in row):
        raise LocalProtocolError("latencies are seconds, 0 or more")

    @cache
    def place(ip: str) -> int:
        return Random(f"{seed}/{ip}").randrange(len(rows))

    return lambda source, destination: rows[place(source)][place(destination)]


def load_matrix(path: Path, seed: int, unit: float = 0.001) -> Latency:
    """A matrix from a text file: a line for each row, numbers with blanks or commas between; one way, times `unit` s.

    Published ones hold round trips, often in milliseconds: `unit` is then 0.0005. Raises LocalProtocolError.
    """
    try:
        lines = path.read_text().replace(",", " ").splitlines()
        rows = [[float(number) * unit for number in line.split()] for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise LocalProtocolError(f"{path} is no latency matrix: {error}") from error
    return matrix(rows, seed)
