from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.rate import BUCKET, RateMeter

STEPS = st.lists(st.tuples(st.one_of(st.floats(0, 2), st.floats(0, 12)), st.integers(0, 1 << 20)), min_size=1)


@given(STEPS)
def test_the_rate_is_what_came_within_the_window_give_or_take_a_bucket(steps):
    meter, now, came = RateMeter(window=10), 1000.0, []
    for pause, length in steps:
        now += pause
        meter.add(length, now)
        came.append((now, length))
        span = max(BUCKET, min(10, now - came[0][0]))
        surely = sum(length for at, length in came if at > now - 10 + BUCKET)
        at_most = sum(length for at, length in came if at > now - 10)
        assert surely / span <= meter.rate(now) <= at_most / span
    assert meter.total == sum(length for _, length in came)


@given(STEPS)
def test_memory_is_bounded_by_the_window(steps):
    meter, now = RateMeter(window=10), 0.0
    for pause, length in steps:
        now += pause / 10
        meter.add(length, now)
        assert len(meter._buckets) <= 10 / BUCKET + 1


def test_nothing_has_flowed_before_the_first_byte_or_after_a_long_silence():
    meter = RateMeter()
    assert meter.rate(5) == 0
    meter.add(1000, 5)
    assert meter.rate(5) == 1000  # at least a second is assumed
    assert meter.rate(15) == 0
    assert meter.total == 1000


def test_a_young_meter_divides_by_its_age():
    meter = RateMeter()
    for second in range(5):
        meter.add(300, 100 + second)
    assert meter.rate(104) == 1500 / 4
