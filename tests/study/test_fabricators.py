from __future__ import annotations

from random import Random

import pytest

from magnetite import study
from magnetite.dht.contact import K
from magnetite.dht.security import is_valid_id
from magnetite.ids import InfoHash
from magnetite.study import World
from magnetite.study.agents.defences import ENFORCED, WITHOUT, without
from magnetite.study.agents.fabricators import Ring, open_ring
from magnetite.study.agents.searching import PLAIN, Values
from magnetite.study.altered import altered
from magnetite.study.searcher import Searcher, announced, open_searcher

MANY = [f"120.{number}.7.3" for number in range(1, 65)]
ONE_SUBNET = [f"120.7.3.{number}" for number in range(1, 65)]


def test_a_ring_names_nodes_next_to_any_target_and_always_by_the_same_ids() -> None:
    ring = Ring(Random(1))
    ring.backs += MANY
    named = ring.name(InfoHash(1 << 150))
    assert len(named) == K
    assert all(contact.node_id ^ 1 << 150 < 1 << 120 for contact in named)
    assert all(contact.node_id == ring.id_at(contact.endpoint.ip, 1 << 150) for contact in named)
    assert not any(is_valid_id(contact.node_id, contact.endpoint.ip) for contact in named)


async def spoilt(world: World, backs: list[str], values: Values, *, is_fitting: bool = True, lookups: int = 24) -> int:
    """How many of some searches find nobody where six in ten nodes are fronts."""
    population = await world.dht(120)
    honest = population.residents[:]
    ring = await open_ring(world, backs, is_fitting=is_fitting)
    await world.settle(world.hosts(180), ring.front())

    async def is_spoilt(searcher: Searcher) -> bool:
        return (await searcher.search(announced(world, among=honest))).first is None

    with altered(values):
        async with open_searcher(world) as one, open_searcher(world) as other:
            return sum([await is_spoilt(each) for each in (one, other) for _ in range(lookups // 2)])


@pytest.mark.parametrize(
    ("backs", "is_fitting", "values", "is_harmed"),
    [
        (MANY, True, PLAIN | without(), True),
        (MANY, True, PLAIN | without() | ENFORCED, False),
        (ONE_SUBNET, True, PLAIN | without(), True),
        (ONE_SUBNET, True, PLAIN | without("subnets"), False),
        (MANY, False, PLAIN | without(), True),
        (MANY, False, PLAIN | without("verified answers"), False),
    ],
)
def test_each_defence_stops_the_attack_it_is_for(
    backs: list[str], is_fitting: bool, values: Values, is_harmed: bool
) -> None:
    async def attacked(world: World) -> None:
        world.record(spoilt=await spoilt(world, backs, values, is_fitting=is_fitting))

    [row] = study.run(attacked).rows
    assert (row["spoilt"] >= 6) is is_harmed


def test_without_any_of_the_defences_is_without_all_but_it() -> None:
    assert without(*WITHOUT) == {}
    assert without().keys() == {path for values in WITHOUT.values() for path in values}
