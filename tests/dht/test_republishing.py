from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht.contact import K
from magnetite.dht.item_store import EXPIRY
from magnetite.dht.republishing import REPUBLISH_INTERVAL, first_delay, needs_republishing, next_delay
from magnetite.ids import NodeId

LATELY = EXPIRY - REPUBLISH_INTERVAL - 1  # seconds since the last put
CLOSEST = [NodeId(number) for number in range(K)]
ELSEWHERE = NodeId(99)


def test_an_item_that_others_put_too_needs_nothing() -> None:
    assert not needs_republishing({*CLOSEST, ELSEWHERE}, CLOSEST, LATELY)


def test_eight_copies_are_not_more_than_eight() -> None:
    assert needs_republishing(set(CLOSEST), CLOSEST, LATELY)


@pytest.mark.parametrize("missing", CLOSEST)
def test_each_of_the_closest_must_have_it(missing: NodeId) -> None:
    holders = {*CLOSEST, *(NodeId(number) for number in range(50, 60))} - {missing}
    assert needs_republishing(holders, CLOSEST, LATELY)


def test_copies_in_two_dhts_are_not_counted_for_one() -> None:
    closest = [NodeId(number) for number in range(2 * K)]
    assert needs_republishing(set(closest), closest, LATELY)


def test_an_item_that_nobody_has_is_put() -> None:
    assert needs_republishing(set(), [], LATELY)


@given(st.sets(st.integers(0, 30).map(NodeId)), st.lists(st.integers(0, 30).map(NodeId), max_size=K, unique=True))
def test_nothing_spares_a_put_before_our_own_copies_could_expire(holders: set[NodeId], closest: list[NodeId]) -> None:
    assert needs_republishing(holders, closest, EXPIRY - REPUBLISH_INTERVAL)


@given(st.integers(0, 1 << 32))
def test_two_intervals_are_less_than_an_item_lasts(seed: int) -> None:
    rng = Random(seed)
    assert 0 <= first_delay(rng) <= REPUBLISH_INTERVAL
    assert 60 < next_delay(rng) + next_delay(rng) < EXPIRY - 60
