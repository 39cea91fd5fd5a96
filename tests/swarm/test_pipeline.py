from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.pipeline import (
    DEEPEST,
    FIRST_DEPTH,
    LEAST_SHARE,
    QUEUE_TIME,
    REFILL,
    SHALLOWEST,
    TOGETHER,
    Pipeline,
    share_of,
)


def deliver(pipeline: Pipeline, rate: float, start: float, seconds: float) -> float:
    """Blocks arrive evenly; when they stop."""
    count = int(rate * seconds)
    for block in range(1, count + 1):
        pipeline.on_blocks(1, start + block / rate)
    return start + count / rate


@given(st.integers(0, 1000))
def test_what_is_on_request_from_all_peers_is_shared_between_them(peers: int) -> None:
    assert share_of(peers) >= LEAST_SHARE
    assert share_of(peers) == LEAST_SHARE or share_of(peers) * peers <= TOGETHER


def test_a_pipeline_is_refilled_in_bulk_and_no_deeper_than_its_share() -> None:
    pipeline = Pipeline(now=0)
    assert pipeline.room(FIRST_DEPTH, DEEPEST) == 0
    assert pipeline.room(FIRST_DEPTH - 1, DEEPEST) == 0
    assert pipeline.room(FIRST_DEPTH - FIRST_DEPTH // REFILL, DEEPEST) == FIRST_DEPTH // REFILL
    assert pipeline.room(0, 5) == 5
    assert pipeline.room(5, 5) == 0


def test_every_block_deepens_a_young_pipeline():
    pipeline = Pipeline(now=0)
    pipeline.on_blocks(5, now=0.1)
    pipeline.on_blocks(7, now=0.2)
    assert pipeline.depth == FIRST_DEPTH + 12


def test_it_grows_as_long_as_the_rate_does():
    pipeline, now = Pipeline(now=0), 0.0
    for rate in (10, 20, 40, 80):
        now = deliver(pipeline, rate, now, 1.05)
    assert pipeline.depth >= FIRST_DEPTH + 10 + 20 + 40 + 80


def test_a_steady_peer_is_kept_busy_for_three_seconds():
    for rate in (5, 40, 120):
        pipeline = Pipeline(now=0)
        deliver(pipeline, rate, 0, 40)
        assert 0.8 * QUEUE_TIME * rate <= pipeline.depth <= 1.2 * QUEUE_TIME * rate


def test_a_fast_peer_is_asked_for_no_more_than_others_accept():
    pipeline = Pipeline(now=0)
    deliver(pipeline, 2000, 0, 5)
    assert pipeline.depth == DEEPEST


def test_a_slow_peer_keeps_the_shallowest_pipeline():
    pipeline = Pipeline(now=0)
    deliver(pipeline, 0.2, 0, 60)
    assert pipeline.depth == SHALLOWEST


def test_the_peers_own_limit_is_honoured_at_once_and_later():
    pipeline = Pipeline(now=0)
    pipeline.limit(3)
    assert pipeline.depth == 3
    deliver(pipeline, 100, 0, 5)
    assert pipeline.depth == 3


def test_a_limit_of_nothing_still_lets_one_block_be_asked_for():
    pipeline = Pipeline(now=0)
    pipeline.limit(0)
    assert pipeline.depth == 1


def test_a_snubbed_peer_is_asked_for_one_block_until_it_delivers():
    pipeline = Pipeline(now=0)
    now = deliver(pipeline, 50, 0, 5)
    pipeline.on_snub()
    assert (pipeline.depth, pipeline.is_snubbed) == (1, True)
    pipeline.limit(250)  # saying hello again is no delivery
    assert (pipeline.depth, pipeline.is_snubbed) == (1, True)
    now = deliver(pipeline, 50, now + 30, 20)
    assert not pipeline.is_snubbed
    assert pipeline.depth >= 0.8 * QUEUE_TIME * 50


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("blocks"), st.integers(1, 600), st.floats(0, 30)),
            st.tuples(st.just("limit"), st.integers(-1, 5000), st.just(0.0)),
            st.tuples(st.just("snub"), st.just(0), st.floats(0, 30)),
        )
    )
)
def test_the_depth_stays_within_its_bounds_whatever_happens(steps):
    pipeline, now, reqq = Pipeline(now=0), 0.0, DEEPEST
    for kind, number, pause in steps:
        now += pause
        match kind:
            case "blocks":
                pipeline.on_blocks(number, now)
            case "limit":
                reqq = max(1, number)
                pipeline.limit(number)
            case "snub":
                pipeline.on_snub()
        assert 1 <= pipeline.depth <= min(DEEPEST, reqq)
