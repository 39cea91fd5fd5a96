"""A rate is kept whoever uses it, fairly, and made up for where whoever waits is late."""

from __future__ import annotations

from heapq import heapify, heapreplace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import LocalProtocolError
from magnetite.swarm.throttle import LONGEST_TURN, SHORTEST_TURN, SLACK, SLOWEST, Limits, Throttle, Throttles


def moved(throttles: list[Throttle], seconds: float, lateness: float = 0.0) -> list[int]:
    """Bytes that greedy users, one a throttle, move in that time, each woken up to `lateness` late."""
    rng = Random(1)
    totals = [0] * len(throttles)
    turns = [(0.0, user) for user in range(len(throttles))]
    heapify(turns)
    while turns[0][0] < seconds:
        now, user = turns[0]
        length = throttles[user].turn
        totals[user] += length
        due = throttles[user].charge(length, now)
        heapreplace(turns, (due + rng.uniform(0, lateness) if due > now else now, user))
    return totals


@given(st.floats(SLOWEST, 2e7), st.integers(1, 8))
def test_the_rate_is_kept_and_used_up_by_any_number_of_users_and_each_gets_the_same(rate: float, users: int) -> None:
    throttle = Throttle(rate)
    totals = moved([throttle] * users, 30)
    most = SLACK * rate + users * throttle.turn
    assert 30 * rate - throttle.turn <= sum(totals) <= 30 * rate + most
    assert max(totals) - min(totals) <= max(most, throttle.turn)


def test_a_late_riser_makes_up_for_what_it_missed() -> None:
    assert sum(moved([Throttle(1e6)], 30, lateness=0.1)) == pytest.approx(30e6, rel=0.02)


def test_after_a_quiet_time_no_more_than_the_slack_goes_at_once() -> None:
    throttle = Throttle(1000 * SLOWEST)
    assert throttle.charge(int(SLACK * 1000 * SLOWEST), 1e6) <= 1e6
    assert throttle.charge(1000 * SLOWEST, 1e6) == pytest.approx(1e6 + 1, abs=0.01)


def test_a_torrents_own_limit_holds_within_the_clients_and_leaves_the_rest_to_others() -> None:
    shared = Throttles(Limits(download=1e6))
    slow, free = Throttles(Limits(download=1e5), shared), Throttles(Limits(), shared)
    assert slow.down
    assert free.down
    assert free.down is shared.down
    assert free.up is None
    limited, other = moved([slow.down, free.down], 30)
    assert 0.85 * 30e5 <= limited <= 1.01 * 30e5
    assert limited + other == pytest.approx(30e6, rel=0.05)


def test_a_torrents_limit_above_the_clients_adds_nothing() -> None:
    shared = Throttles(Limits(upload=1e5))
    own = Throttles(Limits(upload=1e7), shared)
    assert own.up
    assert sum(moved([own.up], 30)) == pytest.approx(30e5, rel=0.05)


def test_limits_can_be_changed_and_taken_away() -> None:
    shared = Throttles()
    own = Throttles(Limits(), shared)
    assert own.down is None
    assert own.up is None
    shared.limit(Limits(download=5e5))
    own.renew()
    assert own.down is shared.down is not None
    shared.limit(Limits())
    own.renew()
    assert own.down is None


@given(st.floats(SLOWEST, 1e12))
def test_turns_are_short_in_time_and_never_too_short_or_too_long_in_bytes(rate: float) -> None:
    assert SHORTEST_TURN <= Throttle(rate).turn <= LONGEST_TURN


@pytest.mark.parametrize("rate", [0, -1, 5, float("nan"), float("inf")])
def test_a_limit_that_makes_no_sense_is_refused(rate: float) -> None:
    with pytest.raises(LocalProtocolError, match="rate limit"):
        Limits(download=rate)
    with pytest.raises(LocalProtocolError, match="rate limit"):
        Limits(upload=rate)
