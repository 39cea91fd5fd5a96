"""Delays of a clock that is not ours, and how long an answer takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.net.utp.delay import KEPT, STEP, DelayHistory
from magnetite.net.utp.packet import CLOCK
from magnetite.net.utp.round_trip import FIRST_TIMEOUT, LEAST_TIMEOUT, MOST_DOUBLED, MOST_TIMEOUT, RoundTrip


@given(st.integers(0, CLOCK - 1), st.lists(st.integers(0, 500_000), min_size=1, max_size=30))
def test_only_the_rise_above_the_least_counts_whatever_the_clocks_say(offset: int, delays: list[int]) -> None:
    history = DelayHistory()
    for number, delay in enumerate(delays):
        history.add((offset + delay) % CLOCK, number * 0.01)
    assert history.queueing == pytest.approx((min(delays[-4:]) - min(delays)) / 1e6)


def test_what_was_the_least_is_forgotten_after_two_to_three_minutes() -> None:
    history = DelayHistory()
    history.add(1000, 0.0)
    for second in range(1, int(KEPT * STEP)):
        history.add(51_000, second)
        assert (history.queueing == pytest.approx(0.05)) or second < 4
    for second in range(int(KEPT * STEP), int((KEPT + 1) * STEP)):
        history.add(51_000, second)
    assert history.queueing == 0


def test_the_timeout_follows_round_trips_and_doubles_while_nothing_is_acked() -> None:
    trip = RoundTrip()
    assert trip.timeout == FIRST_TIMEOUT
    for _ in range(50):
        trip.add(0.01)
    assert trip.timeout == LEAST_TIMEOUT
    for _ in range(50):
        trip.add(0.8)
    assert 0.8 < trip.timeout < 1.0
    steady = trip.timeout
    trip.back_off()
    trip.back_off()
    assert trip.timeout == pytest.approx(4 * steady)
    for _ in range(20):
        trip.back_off()
    assert trip.timeout == MOST_DOUBLED
    trip.come_back()
    assert trip.timeout == pytest.approx(steady)
    for _ in range(50):
        trip.add(8.0)
    assert 8.0 < trip.timeout < 10.0
    trip.back_off()
    assert 8.0 < trip.timeout < 10.0
    trip.add(80.0)
    assert trip.timeout == MOST_TIMEOUT
