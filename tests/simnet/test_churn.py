"""Sessions and arrivals."""

from __future__ import annotations

from itertools import pairwise, takewhile
from random import Random
from statistics import mean, median

import pytest

from magnetite.simnet.churn import DAY, Sessions, diurnal, poisson


def test_most_sessions_are_short_and_some_very_long() -> None:
    rng, sessions = Random(1), Sessions()
    lives = [sessions.length(rng) for _ in range(20_000)]
    assert median(lives) == pytest.approx(sessions.scale * 0.693 ** (1 / sessions.shape), rel=0.1)
    assert mean(lives) > 4 * median(lives)


def test_who_is_met_at_random_stays_longer_than_a_newcomer() -> None:
    rng, sessions = Random(1), Sessions()
    assert median(sessions.rest(rng) for _ in range(500)) > 3 * median(sessions.length(rng) for _ in range(500))


def test_poisson_arrivals_come_at_their_rate_and_independently() -> None:
    times = list(takewhile(lambda at: at < 10_000, poisson(0.5, Random(2))))
    assert times == sorted(times)
    assert len(times) == pytest.approx(5000, rel=0.05)
    gaps = [after - before for before, after in pairwise(times)]
    assert mean(gap**2 for gap in gaps) == pytest.approx(2 * mean(gaps) ** 2, rel=0.1), "exponential"


def test_diurnal_arrivals_are_as_many_and_have_a_busy_evening() -> None:
    times = list(takewhile(lambda at: at < 20 * DAY, diurnal(0.02, Random(3), swing=0.8)))
    assert len(times) == pytest.approx(0.02 * 20 * DAY, rel=0.05)
    hours = [int(at % DAY // 3600) for at in times]
    assert hours.count(20) > 5 * hours.count(8)
