"""When the peers of one torrent are served, whatever the choker."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from magnetite.swarm.choker import CHOKE_INTERVAL, SLOTS, Choice, Standing
from magnetite.swarm.peer import Peer
from magnetite.wire.messages import Choke, Interested, NotInterested, Unchoke
from tests.swarm.test_exchange import NOW, Torrent, said


def test_whoever_is_interested_is_served_at_once_while_there_are_slots() -> None:
    torrent = Torrent()
    peers = [torrent.peer(number) for number in range(1, SLOTS + 2)]
    for peer in peers:
        torrent.hear(peer, [Interested()])
    assert [peer.am_choking for peer in peers] == [False] * SLOTS + [True]
    torrent.hear(peers[0], [NotInterested()])
    torrent.hear(peers[-1], [Interested()])
    assert not peers[-1].am_choking


def test_a_slot_is_free_as_long_as_somebody_who_comes_to_want_something_would_have_it() -> None:
    torrent = Torrent()
    unchoking = torrent.exchange._unchoking
    peers = [torrent.peer(number) for number in range(1, SLOTS + 1)]
    for peer in peers:
        assert unchoking.has_free_slot
        torrent.hear(peer, [Interested()])
    assert not unchoking.has_free_slot
    torrent.hear(peers[0], [NotInterested()])
    assert unchoking.has_free_slot
    assert not peers[0].am_choking


def test_who_wants_nothing_for_a_moment_keeps_a_slot_that_nobody_else_needs() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    torrent.hear(peer, [Interested(), NotInterested()])
    torrent.exchange.rechoke(NOW)
    assert not peer.am_choking


def all_slots_taken() -> tuple[Torrent, Peer, list[Peer]]:
    """The torrent, one who has a slot and wants nothing, and the others: all want something but the last."""
    torrent = Torrent()
    idle, *others = [torrent.peer(number) for number in range(1, SLOTS + 2)]
    torrent.hear(idle, [Interested(), NotInterested()])
    for peer in others[:-1]:
        torrent.hear(peer, [Interested()])
    return torrent, idle, others


def test_a_slot_of_one_who_wants_nothing_is_for_the_next_who_does() -> None:
    torrent, idle, others = all_slots_taken()
    assert not idle.am_choking
    torrent.hear(others[-1], [Interested()])
    assert [peer.am_choking for peer in (idle, *others)] == [True] + [False] * SLOTS


def test_after_a_round_no_more_are_unchoked_than_there_are_slots() -> None:
    torrent, idle, others = all_slots_taken()
    others[-1].peer_interested = True
    torrent.exchange.rechoke(NOW)
    assert [peer.am_choking for peer in (idle, *others)] == [True] + [False] * SLOTS


def test_a_peer_cannot_make_us_choke_and_unchoke_it_faster_than_our_clock() -> None:
    torrent = Torrent()
    peer, *others = [torrent.peer(number) for number in range(1, SLOTS + 2)]
    torrent.hear(peer, [Interested(), NotInterested()])
    for other in others:
        torrent.hear(other, [Interested()])
    torrent.hear(others[0], [NotInterested()])
    torrent.hear(peer, [Interested()] * 100, NOW + CHOKE_INTERVAL - 1)
    assert [type(each) for each in said(peer)] == [Unchoke, Choke]
    torrent.hear(peer, [Interested()], NOW + CHOKE_INTERVAL)
    assert not peer.am_choking


class Nobody:
    """A choker of somebody who studies them."""

    slots = 1

    def __init__(self, rng: Random) -> None:
        self.asked = 0

    def choose(self, interested: Sequence[Standing[Peer]], *, seeding: bool, now: float) -> Choice[Peer]:
        self.asked += len(interested)
        return Choice(frozenset())


def test_a_study_may_put_its_own_choker_in_the_place_of_ours():
    made = []

    def make(rng: Random) -> Nobody:
        made.append(Nobody(rng))
        return made[0]

    torrent = Torrent(make_choker=make)
    peer = torrent.peer()
    torrent.hear(peer, [Interested()])
    assert not peer.am_choking, "a free slot does not wait for the choker"
    torrent.exchange.rechoke(NOW + CHOKE_INTERVAL)
    assert peer.am_choking
    assert made[0].asked == 1


def test_where_a_choker_has_no_slots_nobody_is_unchoked_between_its_rounds():
    class Miser(Nobody):
        slots = 0

    torrent = Torrent(make_choker=Miser)
    peer = torrent.peer()
    torrent.hear(peer, [Interested()])
    assert peer.am_choking
