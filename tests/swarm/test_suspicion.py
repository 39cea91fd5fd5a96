"""Who is blamed for a wrong piece, when, and who is cleared, among the peers of one torrent."""

from __future__ import annotations

import pytest

from magnetite.errors import Reason
from magnetite.events import PeerBanned
from magnetite.wire.messages import Block, Have, Reject, Request, Unchoke
from tests.swarm.test_exchange import NOW, Torrent, answer, asked


class World:
    """A torrent of two-block pieces, where a liar has sent one block and an honest peer the other."""

    def __init__(self) -> None:
        self.torrent = Torrent()
        self.exchange = self.torrent.exchange
        self.liar, self.honest = self.torrent.peer(1), self.torrent.peer(2)
        self.torrent.hear(self.liar, [Have(5), Unchoke()])
        first, second = asked(self.liar)
        self.torrent.hear(self.liar, [wrong(first), Reject(second.block)])
        self.torrent.hear(self.honest, [Have(5), Unchoke()])
        (second,) = asked(self.honest)
        self.torrent.hear(self.honest, [answer(second)])
        (self.failed,) = self.torrent.completed
        self.torrent.completed.clear()

    def fail(self) -> None:
        self.exchange.on_failed(self.failed, NOW)

    def repair(self, number: int) -> None:
        """Somebody else sends the piece, and it is right."""
        other = self.torrent.peer(number)
        self.torrent.hear(other, [Have(5), Unchoke()])
        self.torrent.hear(other, [answer(request) for request in asked(other)])
        (right,) = self.torrent.completed
        self.torrent.completed.clear()
        self.exchange.on_verified([right], NOW)

    @property
    def banned(self) -> list[str]:
        return [event.endpoint.ip for event in self.torrent.events if isinstance(event, PeerBanned)]

    @property
    def suspects(self) -> set[str]:
        assert self.exchange.book is not None
        return {peer.endpoint.ip for peer in self.exchange.book.begun.suspects}


def wrong(request: Request) -> Block:
    return Block(request.block.piece, request.block.begin, bytes(request.block.length))


@pytest.mark.parametrize("leaves", [False, True])
def test_the_liar_is_banned_when_its_piece_is_right_even_if_it_has_left_and_the_honest_one_is_cleared(
    leaves: bool,
) -> None:
    world = World()
    world.fail()
    assert world.suspects == {"10.0.0.1", "10.0.0.2"}
    assert not world.banned
    for peer in (world.liar, world.honest):
        peer.peer_choking = True  # neither works on it again
        world.exchange.book.lapse(peer)  # type: ignore[union-attr]
    if leaves:
        world.exchange.leave(world.liar)
    world.repair(3)
    assert world.banned == ["10.0.0.1"]
    assert world.suspects <= {"10.0.0.1"}
    assert leaves or world.liar.closing == (Reason.BAD_PIECE, "")
    assert world.honest.closing is None


def test_a_suspect_that_comes_back_is_one_still(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.exchange.leave(world.liar)
    world.fail()
    assert world.suspects == {"10.0.0.2"}
    again = world.torrent.peer(1)
    assert world.suspects == {"10.0.0.1", "10.0.0.2"}
    assert again.closing is None
    world.exchange.leave(world.honest)
    world.torrent.peer(2)
    assert world.suspects == {"10.0.0.1", "10.0.0.2"}


def test_every_connection_of_a_liar_ends() -> None:
    world = World()
    world.fail()
    world.liar.peer_choking = world.honest.peer_choking = True
    assert world.exchange.book is not None
    world.exchange.book.lapse(world.liar)
    world.exchange.book.lapse(world.honest)
    world.exchange.leave(world.liar)
    again = world.torrent.peer(1)
    world.repair(3)
    assert again.closing == (Reason.BAD_PIECE, "")
