"""When a peer is told what: at once, or with what comes next."""

from __future__ import annotations

from magnetite.swarm.peer import KEEP_ALIVE_EVERY, Peer
from magnetite.wire.messages import Have, KeepAlive, Unchoke, encode_haves
from tests.swarm.test_exchange import NOW, Torrent, said


def listened(peer: Peer) -> list[int]:
    """Grows whenever what waits for the peer is to be sent."""
    woken: list[int] = []
    peer.outbox.wake = lambda: woken.append(1)
    return woken


def test_who_may_ask_for_a_new_piece_is_told_of_it_at_once() -> None:
    peer = Torrent().peer()
    woken = listened(peer)
    peer.announce(encode_haves([3]))
    assert woken, "not interested yet, and perhaps it becomes so"
    peer.peer_interested = True
    peer.unchoke(NOW)
    woken.clear()
    peer.announce(encode_haves([4]))
    assert woken
    assert said(peer) == [Have(3), Unchoke(), Have(4)]


def test_who_waits_for_a_slot_is_told_of_new_pieces_within_a_second() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    peer.peer_interested = True
    woken = listened(peer)
    peer.announce(encode_haves([3, 4]))
    assert not woken
    torrent.exchange.tend(NOW + 1)
    assert woken
    assert said(peer) == [Have(3), Have(4)]


def test_who_is_given_a_slot_is_told_of_all_pieces_before() -> None:
    peer = Torrent().peer()
    peer.peer_interested = True
    peer.announce(encode_haves([3]))
    peer.unchoke(NOW)
    assert said(peer) == [Have(3), Unchoke()]


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
