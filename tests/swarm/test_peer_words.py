"""When a peer is told what: at once, or with what comes next."""

from __future__ import annotations

import pytest

from magnetite.swarm.peer import KEEP_ALIVE_EVERY, WAIT_FOR_COMPANY, Peer
from magnetite.wire.messages import Have, Interested, KeepAlive, NotInterested, Unchoke, encode_haves
from tests.swarm.test_exchange import NOW, Torrent, said


def listened(peer: Peer) -> list[int]:
    """Grows whenever what waits for the peer is to be sent."""
    woken: list[int] = []
    peer.outbox.wake = lambda: woken.append(1)
    return woken


def test_who_may_ask_for_a_new_piece_is_told_of_it_at_once() -> None:
    peer = Torrent().peer()
    woken = listened(peer)
    peer.announce(encode_haves([3]), may_be_served=True)
    assert woken, "not interested yet, and perhaps it becomes so"
    peer.peer_interested = True
    peer.unchoke(NOW)
    woken.clear()
    peer.announce(encode_haves([4]), may_be_served=False)
    assert woken
    assert said(peer) == [Have(3), Unchoke(), Have(4)]


@pytest.mark.parametrize("interested", [False, True])
def test_who_would_wait_for_a_slot_is_told_of_new_pieces_in_a_few_seconds(interested: bool) -> None:
    torrent = Torrent()
    peer = torrent.peer()
    peer.sent_at = NOW
    peer.peer_interested = interested
    woken = listened(peer)
    peer.announce(encode_haves([3, 4]), may_be_served=interested)
    torrent.exchange.tend(NOW + WAIT_FOR_COMPANY - 1)
    assert not woken
    torrent.exchange.tend(NOW + WAIT_FOR_COMPANY)
    assert woken
    assert said(peer) == [Have(3), Have(4)]


def test_who_is_given_a_slot_is_told_of_all_pieces_before() -> None:
    peer = Torrent().peer()
    peer.peer_interested = True
    peer.announce(encode_haves([3]), may_be_served=False)
    peer.unchoke(NOW)
    assert said(peer) == [Have(3), Unchoke()]


def test_that_we_want_nothing_for_a_moment_need_not_be_said_to_who_chokes_us() -> None:
    peer = Torrent().peer()
    peer.show_interest(True)
    assert said(peer) == [Interested()]
    woken = listened(peer)
    peer.show_interest(False)
    peer.show_interest(True)
    assert not woken
    assert not said(peer)


def test_that_we_want_nothing_is_said_within_a_few_seconds() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    peer.show_interest(True)
    said(peer)
    woken = listened(peer)
    peer.show_interest(False)
    torrent.exchange.tend(peer.sent_at + WAIT_FOR_COMPANY)
    assert woken
    assert said(peer) == [NotInterested()]
    peer.show_interest(True)
    assert said(peer) == [Interested()]


def test_who_gives_us_a_slot_that_we_do_not_want_is_told_so_at_once() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    peer.show_interest(True)
    said(peer)
    woken = listened(peer)
    peer.show_interest(False)
    torrent.hear(peer, [Unchoke()])
    assert woken
    assert said(peer) == [NotInterested()]
    peer.show_interest(True)
    woken.clear()
    peer.show_interest(False)
    assert woken, "it may serve somebody else"


def test_a_peer_that_was_sent_nothing_for_long_is_kept_alive() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    torrent.exchange.tend(NOW + KEEP_ALIVE_EVERY - 1)
    assert KeepAlive() not in said(peer)
    torrent.exchange.tend(NOW + KEEP_ALIVE_EVERY)
    assert said(peer) == [KeepAlive()]
    peer.sent_at = NOW + KEEP_ALIVE_EVERY
    torrent.exchange.tend(NOW + KEEP_ALIVE_EVERY + 1)
    assert said(peer) == []


def test_a_peer_that_takes_nothing_is_sent_no_more_signs_of_life() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    peer.sending_since = NOW
    torrent.exchange.tend(NOW + KEEP_ALIVE_EVERY)
    assert said(peer) == []
