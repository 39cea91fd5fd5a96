from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from magnetite.ids import InfoHash
from magnetite.net.lsd.announcement import MOST
from magnetite.net.lsd.rounds import EVERY, GAP, Rounds

A, B, C = (InfoHash(number) for number in (1, 2, 3))


def test_a_torrent_is_announced_at_once_and_then_every_five_minutes() -> None:
    rounds = Rounds()
    said = [now for now in range(0, 1000, 2) if rounds.next([A], now)]
    assert said == [0, 300, 600, 900]


def test_a_torrent_that_is_added_waits_a_minute_at_most() -> None:
    rounds = Rounds()
    assert rounds.next([A], 0) == (A,)
    assert rounds.next([A, B], 30) == ()
    assert rounds.next([A, B], GAP) == (B,)


def test_who_is_new_is_answered_out_of_turn_but_within_the_bound() -> None:
    rounds = Rounds()
    rounds.next([A, B], 0)
    rounds.hasten(B)
    rounds.hasten(C)
    assert rounds.next([A, B], GAP - 1) == ()
    assert rounds.next([A, B], GAP) == (B,)


def test_another_network_is_told_everything() -> None:
    rounds = Rounds()
    rounds.next([A, B], 0)
    rounds.begin_again()
    assert rounds.next([A, B], GAP) == (A, B)


def test_what_is_removed_is_forgotten() -> None:
    rounds = Rounds()
    rounds.next([A], 0)
    rounds.next([], 2 * GAP)
    assert rounds.next([A], 3 * GAP) == (A,)


@given(st.integers(1, 150), st.lists(st.integers(0, 149), max_size=30))
def test_many_torrents_take_turns_within_a_datagram_a_minute(count: int, hastened: list[int]) -> None:
    torrents = [InfoHash(number) for number in range(count)]
    rounds = Rounds()
    said: Counter[InfoHash] = Counter()
    datagrams = 0
    for now in range(0, 3600, 10):
        if now % 200 == 0:
            for number in hastened:
                rounds.hasten(InfoHash(number))
        due = rounds.next(torrents, now)
        assert len(due) <= MOST
        datagrams += bool(due)
        said.update(due)
    assert datagrams <= 60
    assert set(said) == set(torrents)
    if not hastened:
        fair = min(3600 / EVERY, 60 * MOST / count)
        assert min(said.values()) >= int(fair) - 1
