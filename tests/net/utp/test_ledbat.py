"""The window: what makes it grow, and what makes it shrink."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from magnetite.net.utp.ledbat import FIRST, GAIN, MOST, PAUSE_EVERY, TARGET, Ledbat

PACKET = 1452
TRIP = 0.1  # seconds


def a_trip(ledbat: Ledbat, queueing: float, now: float) -> None:
    """All that the window lets go is acked, packet by packet."""
    for _ in range(max(1, int(ledbat.window) // PACKET)):
        ledbat.on_ack(PACKET, True, queueing, TRIP + queueing, now)


def settled(window: float) -> Ledbat:
    """One that does not double any more."""
    ledbat = Ledbat(PACKET)
    ledbat.window = 2 * window
    ledbat.on_loss()
    return ledbat


def test_it_doubles_every_round_trip_as_long_as_there_is_no_queue() -> None:
    ledbat = Ledbat(PACKET)
    for trip in range(5):
        a_trip(ledbat, 0.0, trip * TRIP)
    assert 20 * FIRST < ledbat.window <= 32 * FIRST


def test_a_queue_ends_the_doubling_and_is_let_drain() -> None:
    ledbat = Ledbat(PACKET)
    ledbat.window = 100_000
    ledbat.on_ack(PACKET, True, 0.09, 0.2, 10.0)
    assert ledbat.window < 50_000
    paused = ledbat.window
    ledbat.on_ack(PACKET, True, 0.0, 0.2, 10.3)
    assert ledbat.window == paused
    ledbat.on_ack(PACKET, True, 0.0, 0.2, 10.5)
    assert ledbat.window > paused


def test_afterwards_it_grows_by_its_gain_where_nothing_queues_and_less_the_nearer_the_target() -> None:
    grown = []
    for queueing in (0.0, TARGET / 4, TARGET):
        ledbat = settled(100_000)
        a_trip(ledbat, queueing, 0.0) if queueing < TARGET / 2 else ledbat.on_ack(PACKET, True, queueing, 0.2, -1.0)
        grown.append(ledbat.window - 100_000)
    assert GAIN * 0.9 < grown[0] <= GAIN
    assert GAIN * 0.6 < grown[1] < GAIN * 0.8
    assert grown[2] == 0


def test_beyond_the_target_it_shrinks_in_proportion_so_that_two_become_alike() -> None:
    small, large = settled(50_000), settled(200_000)
    for ledbat in (small, large):
        ledbat._pause_at = 1e9
        for trip in range(20):
            a_trip(ledbat, 1.2 * TARGET, trip * TRIP)
    assert large.window / small.window < 4.2
    assert small.window < 50_000
    assert large.window < 200_000


def test_a_loss_halves_it_and_a_timeout_leaves_one_packet() -> None:
    ledbat = Ledbat(PACKET)
    ledbat.window = 100_000
    ledbat.on_loss()
    assert ledbat.window == 50_000
    ledbat.on_timeout()
    assert ledbat.window == PACKET


def test_who_sends_less_than_it_may_does_not_grow() -> None:
    ledbat = settled(100_000)
    ledbat.on_ack(PACKET, False, 0.0, TRIP, 0.0)
    assert ledbat.window == 100_000


def test_while_the_queue_stands_there_is_a_pause_every_now_and_then() -> None:
    ledbat = settled(100_000)
    ledbat.on_ack(PACKET, True, TARGET, 0.2, 0.0)
    windows = []
    for step in range(200):
        now = 0.5 + step * TRIP
        a_trip(ledbat, TARGET, now)
        windows.append(ledbat.window)
    pauses = sum(later < earlier / 2 for earlier, later in pairwise(windows))
    assert pauses <= 20 / PAUSE_EVERY + 1


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(0, 1 << 20), st.booleans(), st.floats(0, 100), st.floats(1e-6, 100)),
            st.sampled_from(["loss", "timeout"]),
        ),
        max_size=100,
    )
)
def test_whatever_happens_it_stays_between_a_packet_and_the_most(story: list[object]) -> None:
    ledbat, now = Ledbat(PACKET), 0.0
    for event in story:
        now += 0.5
        match event:
            case "loss":
                ledbat.on_loss()
            case "timeout":
                ledbat.on_timeout()
            case (int(acked), bool(is_full), float(queueing), float(trip)):
                ledbat.on_ack(acked, is_full, queueing, trip, now)
        assert PACKET <= ledbat.window <= MOST
