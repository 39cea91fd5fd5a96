from collections import Counter

import pytest

from magnetite.dht.stored import Stored


@pytest.mark.parametrize(
    ("accepted", "refusals", "is_conflict"),
    [
        (8, {}, False),
        (0, {}, False),
        (0, {202: 8}, False),
        (7, {301: 1}, False),
        (1, {301: 7}, True),
        (4, {301: 2, 302: 2}, True),
        (0, {302: 1}, True),
    ],
)
def test_it_is_a_conflict_when_as_many_know_better_as_accept(
    accepted: int, refusals: dict[int, int], is_conflict: bool
) -> None:
    assert Stored(accepted, Counter(refusals)).is_conflict is is_conflict


def test_two_rounds_add_up() -> None:
    assert Stored(1, Counter({301: 2}), 3) + Stored(4, Counter({301: 1, 202: 1})) == Stored(
        5, Counter({301: 3, 202: 1}), 3
    )
