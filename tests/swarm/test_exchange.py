"""Messages played against the state of one torrent, without sockets or time."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from time import perf_counter

import pytest

from magnetite.endpoint import Endpoint
from magnetite.events import Event, Source
from magnetite.ids import PeerId
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.choker import MakeChoker, TitForTat
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import Peer
from magnetite.torrent import pieces
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap
from magnetite.wire.handshake import Handshake
from magnetite.wire.messages import (
    MAX_PIECES,
    AllowedFast,
    BitfieldMessage,
    Block,
    BlockRequest,
    Choke,
    Have,
    HaveAll,
    KeepAlive,
    Message,
    Port,
    Reject,
    Request,
    Unchoke,
    decode,
)
from magnetite.wire.peer_wire import PeerWire
from tests.swarm.swarms import content, torrent_of

NOW = 1000.0
DATA = content(40 * (1 << 15))
METAINFO = torrent_of(DATA)


class Torrent:
    """An Exchange, and what became of it."""

    def __init__(self, metainfo: Metainfo | None = METAINFO, make_choker: MakeChoker[Peer] = TitForTat) -> None:
        self.events: list[Event] = []
        self.completed: list[PartialPiece[Peer]] = []
        candidates = CandidatePool([Endpoint("9.9.9.9", 6881)])
        self.exchange = Exchange(METAINFO.info_hash, candidates, Random(1), self.events.append, make_choker)
        self.exchange.blocks.on_completed = self.completed.extend
        if metainfo is not None:
            self.begin(metainfo)

    def begin(self, metainfo: Metainfo = METAINFO, have: int = 0) -> None:
        piece_map = PieceMap(metainfo)
        self.exchange.begin(metainfo, piece_map, pieces.everything(metainfo.piece_count), have, NOW)

    def peer(self, number: int = 1, *, fast: bool = True) -> Peer:
        wire = PeerWire()
        greeting = Handshake(METAINFO.info_hash, PeerId(b"-PU0001-puppet%06d" % number), True, fast).encode()
        wire.buffer()[: len(greeting)] = greeting
        assert wire.received(len(greeting)) == []
        assert wire.handshake is not None
        peer = Peer(Endpoint(f"10.0.0.{number}", 1), Source.INCOMING, wire.handshake.peer_id, wire, NOW)
        self.exchange.join(peer, NOW)
        asked(peer)
        return peer

    def hear(self, peer: Peer, messages: Iterable[Message], now: float = NOW) -> None:
        """The messages of one read."""
        peer.receive(list(messages), self.exchange, now)


def said(peer: Peer) -> list[Message]:
    """What waits in the outbox, taken out of it."""
    data = memoryview(b"".join(peer.outbox.take_messages()))
    messages = []
    while data:
        length = int.from_bytes(data[:4], "big")
        messages.append(decode(data[4], data[5 : 4 + length]) if length else KeepAlive())
        data = data[4 + length :]
    return messages


def asked(peer: Peer) -> list[Request]:
    return [message for message in said(peer) if isinstance(message, Request)]


def answer(request: Request) -> Block:
    piece, begin, length = request.block
    at = piece * METAINFO.piece_length + begin
    return Block(piece, begin, DATA[at : at + length])


def test_a_peer_is_asked_as_soon_as_it_has_something_and_unchokes_us() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    torrent.hear(peer, [Have(3)])
    assert not asked(peer)
    torrent.hear(peer, [Unchoke()])
    assert {request.block.piece for request in asked(peer)} == {3}


def test_a_choke_in_the_same_read_as_the_unchoke_before_it_is_known_when_we_ask() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    torrent.hear(peer, [HaveAll(), Unchoke(), Choke()])
    assert not asked(peer)


@pytest.mark.parametrize("fast", [False, True])
def test_blocks_are_asked_for_once_a_read_and_the_pipeline_is_full_after_it(fast: bool) -> None:
    torrent = Torrent()
    peer = torrent.peer(fast=fast)
    torrent.hear(peer, [HaveAll() if fast else BitfieldMessage(b"\xff" * 5), Unchoke()])
    assert torrent.exchange.book is not None
    requests = asked(peer)
    seen = set(requests)
    while requests:
        torrent.hear(peer, [answer(request) for request in requests])
        requests = asked(peer)
        assert torrent.exchange.book.owed(peer) == len(requests) == min(peer.pipeline.depth, 80 - len(seen))
        assert not seen & set(requests)
        seen |= set(requests)
    assert {partial.piece for partial in torrent.completed} == set(range(40))
    assert all(bytes(p.buffer) == DATA[p.piece << 15 : (p.piece + 1) << 15] for p in torrent.completed)


def test_what_a_peer_told_before_the_metadata_counts_once_it_is_known() -> None:
    for told in ([HaveAll()], [HaveAll(), Have(3)], [BitfieldMessage(b"\xff" * 5)], [Have(n) for n in range(40)]):
        torrent = Torrent(None)
        peer = torrent.peer()
        torrent.hear(peer, [*told, Unchoke()])
        torrent.begin()
        assert peer.pieces == pieces.everything(40)
        assert asked(peer)
        assert torrent.exchange.book is not None
        assert torrent.exchange.book.picker.availability.copies() == 1
        torrent.exchange.leave(peer)
        assert torrent.exchange.book.picker.availability.copies() == 0


@pytest.mark.parametrize(
    "told", [BitfieldMessage(b"\xff" * 6), BitfieldMessage(b"\xff" * 4), Have(40), AllowedFast(99)]
)
def test_a_peer_that_told_nonsense_before_the_metadata_is_closed_and_counts_for_nothing(told: Message) -> None:
    """As PeerWire hands it out: with the piece count unknown, nothing was wrong with it then."""
    torrent = Torrent(None)
    peer = torrent.peer()
    peer.wire._check_header(told.ID, len(told.bits) if isinstance(told, BitfieldMessage) else 4)
    peer.wire._check(told)
    torrent.hear(peer, [told, Unchoke()])
    torrent.begin()
    assert peer.closing
    assert torrent.exchange.book is not None
    torrent.exchange.leave(peer)
    assert torrent.exchange.book.picker.availability.copies() == 0
    assert next(torrent.exchange.book.picker.availability.rarest_first(), None) is None


def test_the_dht_node_of_a_peer_is_told_once() -> None:
    torrent, told = Torrent(), []
    torrent.exchange.on_dht_node = told.append
    torrent.hear(torrent.peer(), [Port(port) for port in range(1, 1000)])
    assert told == [Endpoint("10.0.0.1", 1)]


# -- floods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flood",
    [
        [Choke(), Unchoke()] * 2000,
        [Unchoke()] * 2000,
        [Have(7)] * 2000,
        [AllowedFast(n) for n in range(40)] * 50,
        [Reject(BlockRequest(1, 0, 16384))] * 2000,
        [Block(1, 0, b"x" * 16384)] * 2000,
    ],
    ids=lambda flood: type(flood[0]).__name__,
)
def test_however_many_messages_a_read_holds_blocks_are_chosen_once(flood: list[Message]) -> None:
    torrent = Torrent()
    book = torrent.exchange.book
    assert book is not None
    peer, other = torrent.peer(1), torrent.peer(2)
    torrent.hear(other, [HaveAll(), Unchoke()])
    torrent.hear(peer, [HaveAll(), Unchoke()])
    chosen = 0
    choose = book.next_requests

    def count(*args):
        nonlocal chosen
        chosen += 1
        return choose(*args)

    book.next_requests = count  # type: ignore[method-assign]
    torrent.hear(peer, flood)
    assert chosen <= 1


@pytest.mark.parametrize("kind", [Have, AllowedFast])
def test_the_cost_of_naming_a_piece_does_not_depend_on_how_many_there_may_be(kind) -> None:
    """Before the metadata a peer may name piece two million, again and again."""

    def cost(highest: int) -> float:
        torrent = Torrent(None)
        peer = torrent.peer()
        flood = [kind(highest - n) for n in range(2000)]
        begun = perf_counter()
        torrent.hear(peer, flood)
        return perf_counter() - begun

    assert min(cost(MAX_PIECES - 1) for _ in range(3)) < 20 * min(cost(2000) for _ in range(3))
