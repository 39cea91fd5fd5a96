import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.pacer import Pacer


@given(st.integers(1, 30), st.integers(1, 10), st.floats(0, 1e6), st.lists(st.floats(0, 3), max_size=60))
def test_no_stretch_of_time_holds_more_than_a_burst_and_the_rate(rate, burst, start, pauses):
    pacer, now, moments = Pacer(rate, burst), start, []
    for pause in pauses:
        now += pause
        moments.append(pacer.reserve(now))
        assert moments[-1] >= now
    assert moments == sorted(moments)
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            assert last - first + 1 <= burst + 1 + rate * (moments[last] - moments[first] + 1e-6)


@pytest.mark.parametrize("now", [0.0, 1e6])
def test_after_a_quiet_time_a_burst_goes_at_once_and_then_one_at_a_time(now):
    pacer = Pacer(rate=10, burst=3)
    for start in (now, now + 100):
        assert [round(pacer.reserve(start) - start, 6) for _ in range(5)] == [0, 0, 0, 0.1, 0.2]


def test_whoever_takes_only_what_is_free_delays_nobody_else():
    pacer = Pacer(rate=8, burst=4)
    taken = sum(pacer.take(0.0) for _ in range(1000))
    assert taken == 4
    assert pacer.reserve(0.0) == 1 / 8
