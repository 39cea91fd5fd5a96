"""A seed suggests each piece once, and as much as is asked for soon; a leecher keeps what it is suggested."""

from __future__ import annotations

from magnetite.swarm.begun_pieces import MOST_SUGGESTIONS
from magnetite.swarm.choker import SLOTS
from magnetite.swarm.peer import Peer
from magnetite.swarm.suggestions import MOST, SHARES
from magnetite.torrent.pieces import everything
from magnetite.wire.messages import (
    MAX_PIECES,
    AllowedFast,
    BitfieldMessage,
    BlockRequest,
    HaveAll,
    HaveNone,
    Interested,
    Message,
    Request,
    Suggest,
    Unchoke,
)
from tests.swarm.swarms import content, torrent_of
from tests.swarm.test_exchange import METAINFO, Torrent, asked, said

PIECE = 1 << 15
COUNT = METAINFO.piece_count
EACH = -(-COUNT // (SHARES * SLOTS))  # AHEAD would be a fifth of the torrent


class Seed(Torrent):
    """A torrent that was whole from the beginning."""

    def __init__(self) -> None:
        super().__init__(None)
        self.begin(have=everything(COUNT))

    def newcomer(self, number: int, *, fast: bool = True) -> Peer:
        """One whose greeting is still in the outbox."""
        peer = Torrent(None).peer(number, fast=fast)
        self.exchange.join(peer, NOW)
        return peer


NOW = 1000.0


def suggested(messages: list[Message]) -> list[int]:
    return [message.piece for message in messages if isinstance(message, Suggest)]


def granted(messages: list[Message]) -> list[int]:
    return [message.piece for message in messages if isinstance(message, AllowedFast)]


def requests(piece: int) -> list[Message]:
    return [Request(BlockRequest(piece, begin, 1 << 14)) for begin in (0, 1 << 14)]


def test_each_piece_is_suggested_to_one_peer_and_once() -> None:
    seed = Seed()
    peers = [seed.newcomer(number) for number in range(1, 5)]
    told = {peer: suggested(said(peer)) for peer in peers}
    for peer in peers:
        seed.hear(peer, [HaveNone(), Interested()])
    for _ in range(COUNT):
        for peer in peers:
            told[peer] += suggested(said(peer))
            if told[peer]:
                seed.hear(peer, requests(told[peer][-1]))
    everybody = [piece for pieces in told.values() for piece in pieces]
    assert len(everybody) == len(set(everybody)) == COUNT


def test_what_is_suggested_is_little_more_than_what_is_asked_for() -> None:
    seed = Seed()
    one, other = seed.newcomer(1), seed.newcomer(2)
    for peer in (one, other):
        seed.hear(peer, [HaveNone(), Interested()])
    told = suggested(said(one))
    assert len(told) == EACH
    for more, piece in enumerate(told[:3], 1):
        seed.hear(one, requests(piece))
        assert len(suggested(said(one))) == 1, more
    assert len(suggested(said(other))) == EACH


def test_what_a_peer_has_it_is_not_suggested() -> None:
    seed = Seed()
    peers = [seed.newcomer(number) for number in range(1, SLOTS + 2)]
    late = peers[-1]
    said(late)
    seed.hear(late, [BitfieldMessage(b"\xff\xff\xff\xff\x00"), Interested()])
    seed.hear(peers[0], [HaveNone(), Interested()])
    for piece in range(COUNT):
        seed.hear(late, requests(piece))
    assert set(suggested(said(late))) <= set(range(32, COUNT))


def test_a_newcomer_may_ask_for_what_it_is_suggested_before_it_has_its_slot() -> None:
    seed = Seed()
    messages = said(seed.newcomer(1))
    assert HaveAll() in messages
    assert granted(messages) == suggested(messages)
    assert len(granted(messages)) == EACH


def test_those_who_will_wait_for_a_slot_may_ask_for_nothing_meanwhile() -> None:
    seed = Seed()
    peers = [seed.newcomer(number) for number in range(1, SLOTS + 2)]
    assert [bool(granted(said(peer))) for peer in peers[-2:]] == [True, False]
    for peer in peers:
        seed.hear(peer, [HaveNone(), Interested()])
    assert not suggested(said(peers[-1]))


def test_nothing_is_suggested_to_one_who_is_alone_or_knows_no_suggestions() -> None:
    seed = Seed()
    one = seed.newcomer(1)
    said(one)
    seed.hear(one, [HaveNone(), Interested(), *requests(0), *requests(1)])
    assert [type(message) for message in said(one)] == [Unchoke]
    plain = seed.newcomer(2, fast=False)
    seed.hear(plain, [Interested(), *requests(0)])
    assert not suggested(said(plain))


def test_nobody_is_suggested_so_much_that_it_would_take_us_for_a_talker() -> None:
    metainfo = torrent_of(content((MOST + 100) * 64), 64)
    seed = Torrent(None)
    seed.begin(metainfo, everything(metainfo.piece_count))
    peers = [seed.peer(number) for number in (1, 2)]
    for peer in peers:
        seed.hear(peer, [HaveNone(), Interested()])
        for piece in range(0, metainfo.piece_count, 500):
            seed.hear(peer, [Request(BlockRequest(piece, 0, 64))])
    assert len(suggested(said(peers[0]))) <= MOST


def test_a_leecher_grants_newcomers_what_it_has() -> None:
    leech = Torrent(None)
    leech.begin(have=everything(COUNT) & ~1)
    peer = Torrent(None).peer(1)
    leech.exchange.join(peer, NOW)
    messages = said(peer)
    assert not suggested(messages)
    assert 0 < len(granted(messages)) <= 10


def test_suggestions_that_come_before_the_metadata_are_kept_and_no_more_than_a_few() -> None:
    leech = Torrent(None)
    peer = leech.peer(1)
    leech.hear(peer, [HaveAll(), Suggest(MAX_PIECES - 1), Suggest(7), *[Suggest(9)] * 1000, Unchoke()])
    assert len(leech.exchange.blocks._early_suggestions[peer]) == MOST_SUGGESTIONS
    leech.begin()
    assert {request.block.piece for request in asked(peer)} >= {7, 9}
    assert not leech.exchange.blocks._early_suggestions


def test_who_leaves_before_the_metadata_comes_leaves_nothing() -> None:
    leech = Torrent(None)
    peer = leech.peer(1)
    leech.hear(peer, [HaveAll(), Suggest(7)])
    leech.exchange.leave(peer)
    assert not leech.exchange.blocks._early_suggestions
