"""Who is answered when not everybody can be."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht import limiter
from magnetite.dht.limiter import BUDGET_DEPTH, LONGEST_SILENCE, AnswerLimiter, AnswerLimits
from magnetite.dht.statistics import Ignored
from magnetite.endpoint import Endpoint

LIMITS = AnswerLimits(source_rate=2, source_burst=10, byte_rate=10_000)
ANSWER = 500  # bytes; 20 such a second are the budget
A, B = Endpoint("81.2.3.4", 5), Endpoint("81.2.3.5", 5)


def public(number: int) -> Endpoint:
    return Endpoint(f"81.{number >> 16}.{number >> 8 & 255}.{number & 255}", 6881)


def answered(limiter: AnswerLimiter, source: Endpoint, now: float, length: int = ANSWER) -> bool:
    if limiter.refusal(source, now) is not None:
        return False
    limiter.charge(length, now)
    return True


def offer(limiter: AnswerLimiter, rates: dict[Endpoint, float], start: float, seconds: float) -> dict[Endpoint, float]:
    """Each source asks at its rate; the share of its queries that was answered."""
    arrivals = sorted(
        (start + (count + index / len(rates)) / rate, source)
        for index, (source, rate) in enumerate(rates.items())
        for count in range(int(seconds * rate))
    )
    served = dict.fromkeys(rates, 0)
    for now, source in arrivals:
        served[source] += answered(limiter, source, now)
    return {source: served[source] / int(seconds * rate) for source, rate in rates.items()}


def test_one_source_cannot_use_up_the_answers_of_others() -> None:
    limiter = AnswerLimiter(LIMITS)
    assert [limiter.refusal(A, 100) for _ in range(3)] == [None] * 2 + [Ignored.SOURCE_LIMIT]
    assert limiter.refusal(B, 100) is None
    assert limiter.refusal(A, 101) is None


def test_a_source_that_was_good_for_a_while_may_ask_a_whole_burst_and_a_new_one_a_part_of_it() -> None:
    limiter = AnswerLimiter(LIMITS)
    assert sum(answered(limiter, A, 100, 0) for _ in range(50)) == 2
    assert sum(answered(limiter, B, 100, 0) for _ in range(1)) == 1
    assert sum(answered(limiter, B, 110, 0) for _ in range(50)) == 10


def test_a_source_that_asks_a_little_too_much_still_gets_answers() -> None:
    assert 0.2 < offer(AnswerLimiter(LIMITS), {A: 4}, 100, 100)[A] < 0.6


def test_a_source_that_asks_far_too_much_gets_silence_until_it_has_been_quiet_for_as_long() -> None:
    limiter = AnswerLimiter(LIMITS)
    offer(limiter, {A: 1000}, 100, 20)
    assert offer(limiter, {A: 1000}, 120, 60) == {A: 0}
    assert limiter.refusal(A, 180 + LONGEST_SILENCE - 2) is Ignored.SOURCE_LIMIT
    assert limiter.refusal(A, 180 + LONGEST_SILENCE + 2) is None


def test_bytes_sent_are_the_budget_of_all_sources_together() -> None:
    limiter = AnswerLimiter(LIMITS)
    assert sum(answered(limiter, public(number), 100) for number in range(500)) <= BUDGET_DEPTH * 10_000 / ANSWER
    limiter = AnswerLimiter(LIMITS)
    sent = sum(ANSWER * answered(limiter, public(number % 500), 100 + number / 100) for number in range(6_000))
    assert sent == pytest.approx(60 * LIMITS.byte_rate, rel=0.1), "and all of it is used"


def test_two_hundred_sources_at_one_query_a_second_are_all_answered_by_default() -> None:
    shares = offer(AnswerLimiter(), {public(number): 1 for number in range(200)}, 0, 30)
    assert set(shares.values()) == {1}


def test_who_asks_little_is_served_first_when_the_budget_is_short() -> None:
    quiet = {public(number): 0.1 for number in range(50)}  # a quarter of the budget
    greedy = {public(1000 + number): 2.0 for number in range(40)}  # four times the budget, and each within its limit
    limiter = AnswerLimiter(LIMITS)
    offer(limiter, quiet, 0, 20)
    shares = offer(limiter, quiet | greedy, 20, 60)
    assert min(shares[source] for source in quiet) == 1
    rest = [shares[source] for source in greedy]
    assert 0 < max(rest) < 2 * min(rest), "who asks much shares what is left"


def test_equals_share_a_short_budget_equally() -> None:
    shares = offer(AnswerLimiter(LIMITS), {public(number): 1.9 for number in range(40)}, 0, 200)
    assert max(shares.values()) < 1.3 * min(shares.values())
    assert sum(shares.values()) * 1.9 * ANSWER == pytest.approx(LIMITS.byte_rate, rel=0.05)


def test_a_newcomer_is_answered_even_while_those_we_know_want_more_than_there_is() -> None:
    limiter = AnswerLimiter(LIMITS)
    greedy = {public(number): 2.0 for number in range(40)}
    offer(limiter, greedy, 0, 20)
    shares = offer(limiter, greedy | {A: 0.5}, 20, 60)
    assert shares[A] > 0.5


def test_forged_sources_without_end_do_not_cost_those_we_know_their_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "MAX_SOURCES", 512)
    known = [public(number) for number in range(10)]
    node = AnswerLimiter(LIMITS)
    offer(node, dict.fromkeys(known, 0.5), 0, 20)
    served = forged = 0
    for number in range(60_000):  # 2,000 a second, a hundred times the budget, each from an address of its own
        now = 20 + number / 2000
        forged += answered(node, public(100_000 + number), now)
        if number % 400 == 0:
            served += answered(node, known[number // 400 % 10], now)
    assert served == 150
    assert forged > 100, "a stranger may be honest, too"
    assert len(node) <= 768


def test_the_memory_of_sources_is_bounded_and_forgets_the_one_silent_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "MAX_SOURCES", 8)
    node = AnswerLimiter(AnswerLimits(source_rate=1, source_burst=2, byte_rate=1e9))
    offer(node, {A: 1000}, 0, 1)
    assert [answered(node, public(number), 1) for number in range(4)] == [True] * 4
    assert not answered(node, A, 1)
    assert [answered(node, public(number), 1) for number in range(10, 30)] == [True] * 20
    assert len(node) <= 12
    assert answered(node, A, 1), "A said nothing while twenty others came"


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 0.5), st.integers(60, 1400)), max_size=200), st.data())
def test_no_stretch_of_time_holds_more_than_the_limits(
    queries: list[tuple[int, float, int]], data: st.DataObject
) -> None:
    limits = AnswerLimits(source_rate=data.draw(st.floats(0.5, 20)), source_burst=data.draw(st.floats(1, 50)))
    node, now, sent = AnswerLimiter(limits), 0.0, list[tuple[float, int, int]]()
    for number, pause, length in queries:
        now += pause
        if answered(node, public(number), now, length):
            sent.append((now, number, length))
    for first, (start, number, _) in enumerate(sent):
        own = [at for at, other, _ in sent[first:] if other == number]
        assert all(count <= limits.source_burst + 1 + limits.source_rate * (at - start) for count, at in enumerate(own))
        assert_within(sent[first:], limits.byte_rate, BUDGET_DEPTH * limits.byte_rate + 1400)


def assert_within(sent: Iterable[tuple[float, int, int]], rate: float, burst: float) -> None:
    start, total = inf, 0
    for at, _, length in sent:
        start, total = min(start, at), total + length
        assert total <= burst + rate * (at - start) + 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (A, Endpoint(A.ip, 9), True),
        (A, B, False),
        (Endpoint("10.0.0.1", 1), Endpoint("10.0.0.1", 2), False),  # hosts of a private network share addresses
        (Endpoint("2a00:1:2:3::4", 1), Endpoint("2a00:1:2:3:ffff::5", 2), True),  # a /64 is one customer's
        (Endpoint("2a00:1:2:3::4", 1), Endpoint("2a00:1:2:4::4", 1), False),
        (Endpoint("fd00::1", 1), Endpoint("fd00::2", 1), False),
    ],
)
def test_what_one_party_owns_shares_a_bucket(one: Endpoint, other: Endpoint, same: bool) -> None:
    limiter = AnswerLimiter(LIMITS)
    while limiter.refusal(one, 0) is None:
        pass
    assert (limiter.refusal(other, 0) is Ignored.SOURCE_LIMIT) is same


def test_chance_makes_no_difference_to_what_is_remembered(rng: Random) -> None:
    node = AnswerLimiter()
    for _ in range(1000):
        node.refusal(public(rng.randrange(100)), 0)
    assert len(node) == 100
