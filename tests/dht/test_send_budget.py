"""Our own queries: not too many, and not to too many strangers at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht import send_budget
from magnetite.dht.send_budget import ROUTER_MEMORY, SendBudget
from magnetite.endpoint import Endpoint

A = Endpoint("81.2.3.4", 6881)


def address(number: int) -> Endpoint:
    return Endpoint(f"81.{number >> 16}.{number >> 8 & 255}.{number & 255}", 6881)


def test_new_addresses_wait_where_known_ones_need_not() -> None:
    budget = SendBudget(query_rate=100, address_rate=1, query_burst=50, address_burst=3)
    assert [budget.reserve(address(number), 0) for number in range(5)] == pytest.approx([0, 0, 0, 1, 2])
    assert [budget.reserve(address(0), 0) for _ in range(5)] == [0] * 5


def test_known_addresses_keep_to_the_rate_of_queries() -> None:
    budget = SendBudget(query_rate=10, address_rate=1000, query_burst=2)
    assert [round(budget.reserve(A, 0), 6) for _ in range(4)] == [0, 0, 0.1, 0.2]


def test_a_query_that_is_not_worth_waiting_for_delays_nobody() -> None:
    budget = SendBudget(query_rate=100, address_rate=1, query_burst=50, address_burst=3)
    assert sum(budget.take(address(number), 0) for number in range(100)) == 3
    assert budget.take(address(0), 0)
    assert budget.reserve(address(200), 0) == 1
    budget = SendBudget(query_rate=1, query_burst=2)
    assert sum(budget.take(A, 0) for _ in range(100)) == 2


@pytest.mark.parametrize("start", [0.0, 17.0, 1e6])
def test_an_address_is_new_again_after_the_router_may_have_forgotten_it(start: float) -> None:
    budget = SendBudget()
    budget.reserve(A, start)
    for pause in (29, 29, 29):
        start += pause
        assert budget.take(A, start)
        assert A in budget, "what is sent to stays known"
    budget.reserve(address(1), start + ROUTER_MEMORY / 2)
    budget.reserve(address(1), start + ROUTER_MEMORY)
    assert A not in budget


def test_after_a_long_quiet_time_nobody_is_known() -> None:
    budget = SendBudget(address_rate=1, address_burst=1)
    budget.reserve(A, 0)
    assert budget.reserve(A, 1000) == 1000
    assert budget.reserve(address(1), 1000) == 1001, "A took the turn of a new one"


def test_the_memory_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_budget, "MAX_ADDRESSES", 10)
    budget = SendBudget()
    for number in range(1000):
        budget.reserve(address(number), 0)
        assert len(budget) <= 10


@given(
    st.floats(1, 50),
    st.floats(1, 50),
    st.lists(st.tuples(st.integers(0, 30), st.floats(0, 2)), max_size=80),
)
def test_no_stretch_of_time_holds_more_new_addresses_than_the_rate_and_a_burst(
    queries: float, addresses: float, asked: list[tuple[int, float]]
) -> None:
    budget, now, last, turns = SendBudget(queries, addresses, 10, 10), 0.0, dict[int, float](), list[float]()
    for number, pause in asked:
        now += pause
        turn = budget.reserve(address(number), now)
        assert turn >= now
        if now - last.get(number, -1e9) > ROUTER_MEMORY:
            turns.append(turn)
        last[number] = now
    for first, start in enumerate(turns):
        for count, turn in enumerate(turns[first:], 1):
            assert count <= 10 + 1 + addresses * (turn - start + 1e-6)
