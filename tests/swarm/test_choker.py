from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.choker import CHOKE_INTERVAL, OPTIMISTIC_INTERVAL, SLOTS, Choice, Standing, TitForTat

STANDINGS = st.lists(
    st.builds(
        Standing,
        peer=st.integers(0, 40),
        download_rate=st.sampled_from([0.0, 1.0, 2.0, 3.0]),
        upload_rate=st.sampled_from([0.0, 1.0, 2.0, 3.0]),
        is_snubbing=st.booleans(),
    ),
    unique_by=lambda standing: standing.peer,
    max_size=20,
)


def crowd(count: int) -> list[Standing[int]]:
    """Peer n gives n bytes/s and takes as many less."""
    return [Standing(peer, float(peer), float(count - peer)) for peer in range(count)]


def the(choice: Choice[int]) -> int:
    """The one optimistic peer."""
    (peer,) = choice.optimistic
    return peer


@given(st.lists(STANDINGS, max_size=6), st.booleans(), st.randoms(use_true_random=False))
def test_every_slot_is_used_and_those_that_are_not_optimistic_are_earned(rounds, seeding, rng):
    choker = TitForTat[int](rng)
    for number, standings in enumerate(rounds):
        choice = choker.choose(standings, seeding=seeding, now=number * CHOKE_INTERVAL)
        merit = {s.peer: s.upload_rate if seeding else (-1.0 if s.is_snubbing else s.download_rate) for s in standings}
        assert choice.unchoked <= merit.keys()
        assert len(choice.unchoked) == min(SLOTS, len(standings))
        if len(standings) <= SLOTS:
            assert not choice.optimistic
        else:
            earned = choice.unchoked - choice.optimistic
            others = merit.keys() - earned
            able = sum(merit >= 0 for merit in merit.values())
            assert choice.optimistic <= choice.unchoked
            assert len(earned) == min(SLOTS - 1, able), "all but one, where so many do not snub us"
            assert all(merit[peer] >= max(0, *(merit[other] for other in others)) for peer in earned)


def test_a_downloader_lets_those_have_who_give_most_and_a_seed_those_who_take_fastest(rng):
    standings = crowd(20)
    downloading = TitForTat[int](rng).choose(standings, seeding=False, now=0)
    seeding = TitForTat[int](rng).choose(standings, seeding=True, now=0)
    assert downloading.unchoked - downloading.optimistic == set(range(13, 20))
    assert seeding.unchoked - seeding.optimistic == set(range(7))


def test_a_peer_that_owes_us_blocks_is_last_however_fast_it_was(rng):
    standings = [Standing(peer, 1.0, 0.0) for peer in range(8)] + [Standing(99, 1e6, 0.0, is_snubbing=True)]
    for _ in range(20):
        choice = TitForTat[int](rng).choose(standings, seeding=False, now=0)
        assert 99 not in choice.unchoked - choice.optimistic


def test_where_everybody_snubs_us_many_are_tried_at_once_and_all_get_their_turn(rng):
    choker, standings = TitForTat[int](rng), [Standing(peer, 1.0, 0.0, is_snubbing=peer > 2) for peer in range(21)]
    rounds = [choker.choose(standings, seeding=False, now=tick * OPTIMISTIC_INTERVAL) for tick in range(4)]
    assert all(choice.unchoked - choice.optimistic == {0, 1, 2} for choice in rounds)
    assert all(len(choice.optimistic) == SLOTS - 3 for choice in rounds)
    assert set().union(*(choice.optimistic for choice in rounds)) == set(range(3, 21))


def test_a_seed_does_not_mind_being_snubbed(rng):
    standings = [Standing(peer, 0.0, float(peer), is_snubbing=True) for peer in range(20)]
    choice = TitForTat[int](rng).choose(standings, seeding=True, now=0)
    assert choice.unchoked - choice.optimistic == set(range(13, 20))


@pytest.mark.parametrize("seeding", [False, True])
def test_the_optimistic_slot_is_kept_for_its_time_and_then_goes_round(rng, seeding):
    choker = TitForTat[int](rng)
    chosen = [the(choker.choose(crowd(12), seeding=seeding, now=tick * CHOKE_INTERVAL)) for tick in range(45)]
    turn = int(OPTIMISTIC_INTERVAL / CHOKE_INTERVAL)
    turns = [chosen[at : at + turn] for at in range(0, len(chosen), turn)]
    assert all(len(set(one)) == 1 for one in turns)
    waiting = set(range(7, 12)) if seeding else set(range(5))
    for begin in (0, 5, 10):
        assert {turns[n][0] for n in range(begin, begin + 5)} == waiting, "nobody a second time before all had a turn"


def test_an_optimistic_peer_that_proves_itself_or_leaves_makes_way_for_another(rng):
    choker = TitForTat[int](rng)
    first = the(choker.choose(crowd(12), seeding=False, now=0))
    better = [Standing(s.peer, 100.0 if s.peer == first else s.download_rate, 0.0) for s in crowd(12)]
    second = choker.choose(better, seeding=False, now=10)
    assert first in second.unchoked
    assert the(second) != first
    third = choker.choose([s for s in better if s.peer != the(second)], seeding=False, now=20)
    assert the(third) not in (first, the(second))


@pytest.mark.parametrize("seeding", [False, True])
def test_among_equals_chance_decides_so_that_nobody_is_left_out_for_ever(rng, seeding):
    choker, seen = TitForTat[int](rng), set()
    for tick in range(30):
        seen |= choker.choose(
            [Standing(peer, 0.0, 0.0) for peer in range(20)], seeding=seeding, now=tick * CHOKE_INTERVAL
        ).unchoked
    assert seen == set(range(20))


def test_the_same_chance_gives_the_same_choice():
    first, second = (
        [TitForTat[int](Random(7)).choose(crowd(15), seeding=False, now=0) for _ in range(3)] for _ in range(2)
    )
    assert first == second
