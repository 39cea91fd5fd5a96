from __future__ import annotations

import pytest

from magnetite import study
from magnetite.dht.contact import K
from magnetite.ids import InfoHash
from magnetite.study import World
from magnetite.study.agents.searching import FORGETFUL, NARROW, PLAIN, ROUNDS, timeouts
from magnetite.study.altered import altered
from magnetite.study.searcher import announced, open_searcher


def test_a_search_says_how_long_it_took_and_what_it_asked() -> None:
    async def searching(world: World) -> None:
        await world.dht(300)
        async with open_searcher(world) as searcher:
            found = await searcher.search(announced(world))
            missed = await searcher.search(InfoHash(1))
        assert found.first is not None
        assert 0 < found.first <= found.seconds
        assert K <= found.answered <= found.queries
        assert found.before < found.answered
        assert found.peers == 1
        assert (missed.first, missed.peers, missed.before) == (None, 0, missed.answered)

    study.run(searching)


def test_the_k_closest_of_those_it_was_announced_among_know_the_peer_and_nobody_else() -> None:
    async def announcing(world: World) -> None:
        population = await world.dht(60)
        some = population.residents[:20]
        info_hash = announced(world, among=some)
        holders = [each for each in population.residents if each.store.info_hashes]
        assert holders == sorted(
            sorted(some, key=lambda each: each.contact.node_id ^ info_hash)[:K], key=population.residents.index
        )
        assert info_hash != announced(world)

    study.run(announcing)


def test_a_table_that_was_kept_true_names_nobody_who_is_dead() -> None:
    async def acquainting(world: World) -> None:
        population = await world.dht(200, dead=0.5)
        living = {each.contact for each in population.residents}
        async with world.node(world.host()) as true, world.node(world.host()) as stale:
            population.acquaint(true, living_only=True, long_ago=True)
            population.acquaint(stale)
            assert {entry.contact for entry in true.contacts()} <= living
            assert not {entry.contact for entry in stale.contacts()} <= living
            assert [len(node._presences[0].table.experience.cache) > 0 for node in (true, stale)] == [False, True]

    study.run(acquainting)


def seconds_of(values: dict[str, object], lookups: int = 6) -> float:
    """That some searches take together, where three in ten contacts are dead."""

    async def searching(world: World) -> None:
        await world.dht(200, dead=0.3)
        with altered(values):
            async with open_searcher(world) as searcher:
                for _ in range(lookups):
                    world.record(seconds=(await searcher.search(announced(world))).seconds)

    return sum(row["seconds"] for row in study.run(searching).rows)


def test_fixed_timeouts_cost_as_much_as_they_are_long_and_rounds_more() -> None:
    ours, long, rounds = (
        seconds_of(values) for values in ({}, {**PLAIN, **timeouts(20.0)}, {**PLAIN, **timeouts(20.0), **ROUNDS})
    )
    assert ours < 20 < long < rounds


@pytest.mark.parametrize("values", [NARROW, FORGETFUL], ids=["narrow", "forgetful"])
def test_each_choice_can_be_turned_off_alone(values: dict[str, object]) -> None:
    assert seconds_of(values, 2) > 0
