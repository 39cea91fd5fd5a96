from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.choker import CHOKE_INTERVAL, OPTIMISTIC_INTERVAL, SLOTS, Choker, Standing

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


@given(st.lists(STANDINGS, max_size=6), st.booleans(), st.randoms(use_true_random=False))
def test_every_slot_is_used_and_the_best_have_all_but_one(rounds, seeding, rng):
    choker = Choker[int](rng)
    for number, standings in enumerate(rounds):
        choice = choker.choose(standings, seeding=seeding, now=number * CHOKE_INTERVAL)
        merit = {s.peer: s.upload_rate if seeding else (-1.0 if s.is_snubbing else s.download_rate) for s in standings}
        assert choice.unchoked <= merit.keys()
        assert len(choice.unchoked) == min(SLOTS, len(standings))
        if len(standings) <= SLOTS:
            assert choice.optimistic is None
        else:
            assert choice.optimistic in choice.unchoked
            regular = choice.unchoked - {choice.optimistic}
            choked = merit.keys() - choice.unchoked
            assert min(merit[peer] for peer in regular) >= max(merit[peer] for peer in [*choked, choice.optimistic])


def test_a_downloader_lets_those_have_who_give_most_and_a_seed_those_who_take_fastest(rng):
    standings = crowd(20)
    downloading = Choker[int](rng).choose(standings, seeding=False, now=0)
    seeding = Choker[int](rng).choose(standings, seeding=True, now=0)
    assert downloading.unchoked - {downloading.optimistic} == set(range(13, 20))
    assert seeding.unchoked - {seeding.optimistic} == set(range(7))


def test_a_peer_that_owes_us_blocks_is_last_however_fast_it_was(rng):
    standings = [Standing(peer, 1.0, 0.0) for peer in range(8)] + [Standing(99, 1e6, 0.0, is_snubbing=True)]
    for _ in range(20):
        choice = Choker[int](rng).choose(standings, seeding=False, now=0)
        assert 99 not in choice.unchoked - {choice.optimistic}


def test_the_optimistic_slot_is_kept_for_its_time_and_then_goes_round(rng):
    choker = Choker[int](rng)
    chosen = [choker.choose(crowd(12), seeding=False, now=tick * CHOKE_INTERVAL).optimistic for tick in range(120)]
    turn = int(OPTIMISTIC_INTERVAL / CHOKE_INTERVAL)
    turns = [chosen[at : at + turn] for at in range(0, len(chosen), turn)]
    assert all(len(set(one)) == 1 for one in turns)
    assert set(chosen) == set(range(5)), "everybody below the best seven has had a turn"


def test_an_optimistic_peer_that_proves_itself_or_leaves_makes_way_for_another(rng):
    choker = Choker[int](rng)
    first = choker.choose(crowd(12), seeding=False, now=0).optimistic
    better = [Standing(s.peer, 100.0 if s.peer == first else s.download_rate, 0.0) for s in crowd(12)]
    second = choker.choose(better, seeding=False, now=10)
    assert first in second.unchoked
    assert second.optimistic != first
    third = choker.choose([s for s in better if s.peer != second.optimistic], seeding=False, now=20)
    assert third.optimistic not in (first, second.optimistic)


@pytest.mark.parametrize("seeding", [False, True])
def test_among_equals_chance_decides_so_that_nobody_is_left_out_for_ever(rng, seeding):
    choker, seen = Choker[int](rng), set()
    for tick in range(30):
        seen |= choker.choose(
            [Standing(peer, 0.0, 0.0) for peer in range(20)], seeding=seeding, now=tick * CHOKE_INTERVAL
        ).unchoked
    assert seen == set(range(20))


def test_the_same_chance_gives_the_same_choice():
    first, second = (
        [Choker[int](Random(7)).choose(crowd(15), seeding=False, now=0) for _ in range(3)] for _ in range(2)
    )
    assert first == second
