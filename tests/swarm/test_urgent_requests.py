"""What the request book and the exchange do for those who wait to read."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from magnetite.swarm.block_trade import HURRYING
from magnetite.swarm.requests import ENDGAME_COPIES
from magnetite.wire.messages import Cancel, HaveAll, Reject, Unchoke
from tests.swarm.test_exchange import NOW, Torrent, asked, said
from tests.swarm.test_requests import ALL, COUNT, Remote, Swarming, book_of, owed_by


def pieces_asked(requests) -> list[int]:
    return list(dict.fromkeys(request.piece for request in requests))


def test_pieces_that_are_due_are_asked_for_first_begun_or_not() -> None:
    peer, other = Remote("peer", ALL), Remote("other", 0b1000)
    book = book_of(peer, other)
    book.next_requests(other, 0b1000, 1, 0.0)  # piece 3 is begun
    book.deadlines.set("reader", {4: 1.0, 3: 2.0, 1: 3.0})
    assert pieces_asked(book.next_requests(peer, ALL, 5, 0.0)) == [4, 3, 1]


def test_whoever_lacks_what_is_due_is_asked_for_something_else() -> None:
    peer = Remote("peer", 0b11)
    book = book_of(peer)
    book.deadlines.set("reader", {4: 1.0})
    assert set(pieces_asked(book.next_requests(peer, 0b11, 9, 0.0))) == {0, 1}


def test_what_is_late_is_asked_of_a_few_others_too() -> None:
    peers = [Remote(str(number), ALL) for number in range(5)]
    book = book_of(*peers)
    book.deadlines.set("reader", {2: 10.0})
    first = book.next_requests(peers[0], ALL, 2, 0.0)
    assert 2 not in pieces_asked(book.next_requests(peers[1], ALL, 2, 9.0))
    copies = [book.next_requests(peer, ALL, 2, 10.0) for peer in peers[2:]]
    assert sum(each == first for each in copies) == ENDGAME_COPIES - 1
    assert book.next_requests(peers[0], ALL, 1, 11.0) != first[:1], "but of nobody twice"


def test_what_is_there_is_not_due_any_more() -> None:
    peer = Remote("peer", ALL)
    book = book_of(peer)
    book.deadlines.set("reader", dict.fromkeys(range(COUNT), 1.0))
    requests = book.next_requests(peer, 1, 9, 0.0)
    book.on_verified(*book.on_blocks(peer, [peer.block(request) for request in requests], 0.0).completed)
    assert 0 not in book.deadlines


def test_what_is_withdrawn_can_be_asked_of_others() -> None:
    peer, other = Remote("peer", ALL), Remote("other", ALL)
    book = book_of(peer, other)
    requests = book.next_requests(peer, ALL, 99, 0.0)
    book.deadlines.set("reader", {2: 1.0})
    withdrawn = book.withdraw(peer)
    assert withdrawn == [request for request in requests if request.piece != 2]
    assert book.owed(peer) == len(requests) - len(withdrawn)
    assert set(book.next_requests(other, ALL, 99, 0.0)) == set(withdrawn)
    assert book.withdraw(Remote("stranger", 0)) == []


def jumping(torrent: Torrent) -> int:
    """A piece that nobody was asked for, and that a reader jumps to now."""
    assert torrent.exchange.book is not None
    piece = torrent.exchange.book.picker.open.bit_length() - 1
    torrent.exchange.blocks.set_deadlines("reader", {piece: NOW + 2}, NOW, jump=piece)
    return piece


def test_a_jump_takes_back_what_the_fastest_were_asked_before() -> None:
    torrent = Torrent()
    peers = [torrent.peer(number) for number in range(1, HURRYING + 2)]
    for peer in peers:
        peer.pipeline.depth = 2
        torrent.hear(peer, [HaveAll(), Unchoke()])
        assert len(asked(peer)) == 2
    jumping(torrent)
    cancelled = [[each for each in said(peer) if isinstance(each, Cancel)] for peer in peers]
    assert sum(bool(each) for each in cancelled) == HURRYING


def test_the_answer_to_a_cancel_is_no_refusal_even_of_what_was_asked_again() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    peer.pipeline.depth = 4
    torrent.hear(peer, [HaveAll(), Unchoke()])
    before = asked(peer)
    piece = jumping(torrent)
    messages = said(peer)
    after = [message for message in messages if not isinstance(message, Cancel)]
    assert after[0].block.piece == piece
    assert {message.block for message in messages if isinstance(message, Cancel)} == {each.block for each in before}
    torrent.hear(peer, [Reject(each.block) for each in before])
    assert peer.pipeline.depth == 4
    assert not peer.pipeline.is_snubbed
    assert peer.refused_at < 0
    assert not peer.taken_back
    torrent.hear(peer, [Reject(after[0].block)])
    assert peer.refused_at == NOW, "a real one is"


def test_a_jump_to_what_is_on_its_way_already_changes_nothing() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    torrent.hear(peer, [HaveAll(), Unchoke()])
    on_its_way = asked(peer)[0].block.piece
    torrent.exchange.blocks.set_deadlines("reader", {on_its_way: NOW}, NOW, jump=on_its_way)
    assert not [message for message in said(peer) if isinstance(message, Cancel)]


class Reading(Swarming):
    """The same swarm with readers in it: nothing that holds without them ceases to hold."""

    @rule(reader=st.integers(0, 2), due=st.dictionaries(st.integers(0, COUNT - 1), st.floats(0, 30)))
    def read(self, reader: int, due: dict[int, float]) -> None:
        have = self.book.have
        self.book.deadlines.set(reader, {piece: time for piece, time in due.items() if not have >> piece & 1})

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def jump(self, data) -> None:
        remote = data.draw(st.sampled_from(self.here))
        for request in self.book.withdraw(remote):
            if request in remote.inbox:
                remote.inbox.remove(request)

    def asked(self, remote: Remote, most: int) -> None:
        before = owed_by(self.book)
        chosen = self.book.next_requests(remote, remote.pieces, most, self.now)
        assert len(chosen) <= max(0, most)
        assert len(set(chosen)) == len(chosen)
        late, slow = set(self.book.deadlines.late(self.now)), self.book._slow(self.now)
        for request in chosen:
            debtors = before.get(request, [])
            assert remote not in debtors
            counted = debtors if self.book.picker.open else set(debtors) - slow
            assert len(counted) < ENDGAME_COPIES
            assert not debtors or request.piece in late or not self.book.picker.open
        remote.inbox += chosen

    @invariant()
    def nothing_is_due_that_is_there(self) -> None:
        assert not [piece for piece in self.book.deadlines if self.book.have >> piece & 1]


TestReading = Reading.TestCase
TestReading.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
