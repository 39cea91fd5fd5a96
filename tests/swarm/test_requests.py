from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from magnetite.swarm import begun_pieces
from magnetite.swarm.block_set import requests_for
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.picker import PickingOrder
from magnetite.swarm.requests import BLOCK_TIMEOUT, ENDGAME_COPIES, ENDGAME_PATIENCE, RequestBook
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.pieces import everything, indices
from magnetite.wire.messages import BLOCK_LENGTH, Block, BlockRequest
from tests.torrent.samples import content, single

PIECE_LENGTH = 2 * BLOCK_LENGTH
COUNT = 6
DATA = content(COUNT * PIECE_LENGTH - BLOCK_LENGTH - 100)  # the last piece is one short block
MAP = PieceMap(single(DATA, PIECE_LENGTH))
ALL = everything(COUNT)
MASKS = st.integers(0, ALL)


class Remote:
    """A peer as a key, and what it would do."""

    def __init__(self, name: str, pieces: int, lies: bool = False) -> None:
        self.name = name
        self.pieces = pieces
        self.lies = lies
        self.chokes = False
        self.inbox: list[BlockRequest] = []  # requests it will answer

    def __repr__(self) -> str:
        return self.name

    def data(self, request: BlockRequest) -> bytes:
        begin = request.piece * PIECE_LENGTH + request.begin
        return bytes(request.length) if self.lies else DATA[begin : begin + request.length]

    def block(self, request: BlockRequest) -> Block:
        return Block(request.piece, request.begin, self.data(request))


def book_of(*remotes: Remote, wanted: int = ALL, have: int = 0, seed: int = 0) -> RequestBook[Remote]:
    book = RequestBook[Remote](MAP, wanted, have, Random(seed))
    for remote in remotes:
        book.picker.availability.add(remote.pieces)
    return book


def is_right(partial: PartialPiece[Remote]) -> bool:
    begin = partial.piece * PIECE_LENGTH
    return bytes(partial.buffer) == DATA[begin : begin + PIECE_LENGTH]


def owed_by(book: RequestBook[Remote]) -> dict[BlockRequest, list[Remote]]:
    """Every block that is owed, and by whom."""
    debtors: dict[BlockRequest, list[Remote]] = {}
    for remote, debt in book._debts.items():
        for piece, blocks in debt.owed.items():
            for request in requests_for(piece, blocks, MAP.piece_length_of(piece)):
                debtors.setdefault(request, []).append(remote)
    return debtors


class Swarming(RuleBasedStateMachine):
    """Peers come, answer, lie, choke, fall silent and go; at the end the honest ones finish the torrent."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.now = 0.0
        self.here: list[Remote] = []
        self.committing: list[PartialPiece[Remote]] = []
        self.count = 0
        self.cap = begun_pieces.PARTIAL_BYTES
        self.book = book_of()

    @initialize(
        wanted=st.one_of(st.just(ALL), MASKS),
        have=st.one_of(st.just(0), MASKS),
        cap=st.sampled_from([1, 3, 100]),
        seed=st.integers(0, 1000),
    )
    def begin(self, wanted: int, have: int, cap: int, seed: int) -> None:
        self.cap = cap * PIECE_LENGTH
        self.patch.setattr(begun_pieces, "PARTIAL_BYTES", self.cap)
        self.book = book_of(wanted=wanted, have=have, seed=seed)

    # -- peers --

    @precondition(lambda self: len(self.here) < 5)
    @rule(pieces=st.one_of(st.just(ALL), MASKS), lies=st.sampled_from([False, False, True]))
    def join(self, pieces: int, lies: bool) -> None:
        self.count += 1
        self.here.append(Remote(f"{'liar' if lies else 'honest'} {self.count}", pieces, lies))
        self.book.picker.availability.add(pieces)

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def leave(self, data) -> None:
        self.gone(data.draw(st.sampled_from(self.here)))

    def gone(self, remote: Remote) -> None:
        self.here.remove(remote)
        self.book.on_gone(remote, remote.pieces)

    @precondition(lambda self: self.here)
    @rule(data=st.data(), pieces=MASKS)
    def gain(self, data, pieces: int) -> None:
        remote = data.draw(st.sampled_from(self.here))
        self.book.picker.availability.add(pieces & ~remote.pieces)
        remote.pieces |= pieces

    # -- blocks --

    @precondition(lambda self: self.here)
    @rule(data=st.data(), most=st.integers(-1, 5))
    def ask(self, data, most: int) -> None:
        remote = data.draw(st.sampled_from(self.here))
        if not remote.chokes:
            self.asked(remote, most)

    def asked(self, remote: Remote, most: int) -> None:
        before = owed_by(self.book)
        chosen = self.book.next_requests(remote, remote.pieces, most, self.now)
        assert len(chosen) <= max(0, most)
        assert len(set(chosen)) == len(chosen)
        for request in chosen:
            whole = MAP.piece_length_of(request.piece)
            assert request.begin in range(0, whole, BLOCK_LENGTH)
            assert request.length == min(BLOCK_LENGTH, whole - request.begin)
            assert remote.pieces & self.book.missing & 1 << request.piece
            assert remote not in before.get(request, ())
        again = [request for request in chosen if request in before]
        if again:
            assert again == chosen, "a block that nobody owes comes first"
            assert not self.book.picker.open
            assert not [p for p in self.book.begun.partials.values() if p.has_unrequested and p.only is None]
            slow = self.book._slow(self.now)
            assert all(len(set(before[request]) - slow) < ENDGAME_COPIES for request in again)
        remote.inbox += chosen

    @precondition(lambda self: any(remote.inbox for remote in self.here))
    @rule(data=st.data())
    def deliver(self, data) -> None:
        remote = data.draw(st.sampled_from([remote for remote in self.here if remote.inbox]))
        self.delivered(remote, data.draw(st.integers(0, len(remote.inbox) - 1)))

    def delivered(self, remote: Remote, at: int = 0) -> None:
        request = remote.inbox.pop(at)
        arrivals = self.book.on_blocks(remote, [remote.block(request)], self.now)
        assert arrivals.length == arrivals.blocks * request.length
        for other, cancelled in arrivals.cancel:
            assert other in self.here
            assert other is not remote
            assert cancelled == request
            if request in other.inbox and self.count % 2:  # else it had sent it before the cancel came
                other.inbox.remove(request)
        assert all(partial.is_complete for partial in arrivals.completed)
        self.committing += arrivals.completed

    @precondition(lambda self: self.here)
    @rule(data=st.data(), most=st.integers(1, 3))
    def trade(self, data, most: int) -> None:
        """Ask, deliver and commit at a stroke: how far runs get."""
        remote = data.draw(st.sampled_from(self.here))
        if not remote.chokes:
            self.asked(remote, most)
        while remote.inbox:
            self.delivered(remote)
        while self.committing:
            self.committed(self.committing.pop())

    @precondition(lambda self: any(remote.inbox for remote in self.here))
    @rule(data=st.data())
    def reject(self, data) -> None:
        remote = data.draw(st.sampled_from([remote for remote in self.here if remote.inbox]))
        request = remote.inbox.pop()
        self.book.on_reject(remote, request)
        assert not self.book.on_reject(remote, request) or request in remote.inbox

    @precondition(lambda self: any(remote.inbox for remote in self.here))
    @rule(data=st.data())
    def forget(self, data) -> None:
        """A request is dropped without a word."""
        data.draw(st.sampled_from([remote for remote in self.here if remote.inbox])).inbox.pop()

    @rule(piece=st.integers(0, COUNT - 1), data=st.data())
    def send_what_nobody_asked_for(self, piece: int, data) -> None:
        stranger = Remote("stranger", ALL)
        request = BlockRequest(piece, 0, BLOCK_LENGTH)
        assert not self.book.on_blocks(stranger, [Block(piece, 0, bytes(BLOCK_LENGTH))], self.now).blocks
        assert not self.book.on_reject(stranger, request)

    @precondition(lambda self: self.here)
    @rule(data=st.data(), drops=st.booleans())
    def choke(self, data, drops: bool) -> None:
        remote = data.draw(st.sampled_from(self.here))
        remote.chokes = True
        self.book.lapse(remote)
        if drops:
            remote.inbox.clear()

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def unchoke(self, data) -> None:
        remote = data.draw(st.sampled_from(self.here))
        remote.chokes = False
        remote.inbox.clear()
        self.book.forgive(remote)
        assert self.book.owed(remote) == 0

    @rule(seconds=st.sampled_from([1.0, BLOCK_TIMEOUT]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for remote in self.book.lapse_stalled(self.now):
            assert remote in self.here
            assert not self.book._debts[remote].owed

    # -- pieces --

    @precondition(lambda self: self.committing)
    @rule(data=st.data(), fails=st.sampled_from([False, False, False, True]))
    def commit(self, data, fails: bool) -> None:
        partial = self.committing.pop(data.draw(st.integers(0, len(self.committing) - 1)))
        if fails:
            self.book.reopen(partial.piece)  # the disk's fault
        else:
            self.committed(partial)

    def committed(self, partial: PartialPiece[Remote]) -> None:
        if is_right(partial):
            self.book.on_verified(partial)
            return
        guilty = self.book.on_failed(partial)
        assert any(remote.lies for remote in partial.sent)
        if guilty is not None:
            assert guilty.lies
            if guilty in self.here:
                self.gone(guilty)
        else:
            assert len(partial.sent) > 1
            assert self.book.begun.suspects >= set(partial.sent) & set(self.here)

    @rule(wanted=st.one_of(st.just(ALL), MASKS))
    def want(self, wanted: int) -> None:
        """The user selects other files."""
        self.book.want(wanted)

    # -- what must hold at any time --

    @invariant()
    def every_piece_is_open_or_closed_or_begun_or_on_its_way_to_the_disk_or_had(self) -> None:
        book = self.book
        begun = sum(1 << piece for piece in book.begun.partials)
        committing = sum(1 << partial.piece for partial in self.committing)
        masks = [book.picker.open, book.begun._closed, begun, committing, book.have]
        assert sum(masks) == ALL
        assert not (book.picker.open | begun) & ~book.wanted
        assert not book.begun._closed & book.wanted

    @invariant()
    def debts_and_requesters_agree(self) -> None:
        requesters: dict[BlockRequest, set[Remote]] = {}
        for partial in self.book.begun.partials.values():
            for remote, blocks in partial._asked.items():
                for request in partial.requests(blocks):
                    requesters.setdefault(request, set()).add(remote)
        assert requesters == {request: set(debtors) for request, debtors in owed_by(self.book).items()}
        for remote, debt in self.book._debts.items():
            assert remote in self.here
            assert not any(blocks & debt.lapsed[piece] for piece, blocks in debt.owed.items())
            for blocks in (debt.owed, debt.lapsed):
                assert all(mask for _, mask in blocks.items())
                assert len(blocks) == sum(mask.bit_count() for _, mask in blocks.items())

    @invariant()
    def every_piece_is_in_one_place(self) -> None:
        book = self.book
        committing = [p.piece for p in self.committing if book.wanted >> p.piece & 1]
        places = [*indices(book.picker.open), *book.begun.partials, *committing]
        assert sorted(places) == list(indices(book.missing))
        assert book.begun.unasked == {p.piece: p for p in book.begun.partials.values() if p.has_unrequested}
        assert book.begun.suspects <= set(self.here)

    @invariant()
    def memory_is_capped(self) -> None:
        sizes = [partial.length for partial in self.book.begun.partials.values()]
        assert self.book.begun._bytes == sum(sizes)
        assert sum(sizes) <= self.cap or len(sizes) <= 2

    @invariant()
    def whoever_works_alone_does(self) -> None:
        for partial in self.book.begun.partials.values():
            if partial.only is not None:
                assert partial.only in self.here
                assert partial.sent.keys() <= {partial.only}
                assert partial._asked.keys() <= {partial.only}

    # -- and in the end --

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self.patch.undo()

    def finish(self) -> None:
        """All unchoke us; only honest peers can have what the liars have. Silence before may cost some timeouts."""
        if self.book.missing & ~_union(remote.pieces for remote in self.here if not remote.lies):
            self.join(ALL, lies=False)
        for remote in self.here:
            remote.chokes = False
        for _ in range(300):
            self.now += 1
            self.book.lapse_stalled(self.now)
            for partial in self.committing:
                self.committed(partial)
            self.committing.clear()
            for remote in list(self.here):
                self.asked(remote, 2 - self.book.owed(remote))
                while remote.inbox:
                    self.delivered(remote)
                    self.asked(remote, 2 - self.book.owed(remote))
            if self.book.is_complete:
                return
        raise AssertionError(f"stuck without {list(indices(self.book.missing))}")


def _union(masks) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


TestSwarming = Swarming.TestCase
TestSwarming.settings = settings(max_examples=80, stateful_step_count=50)


# -- a whole download ------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(honest=st.integers(1, 4), lying=st.integers(1, 3), seed=st.integers(0, 1 << 32))
def test_liars_are_found_one_after_the_other_and_nobody_else_is(honest, lying, seed):
    rng = Random(seed)
    here = [Remote(f"honest {n}", ALL) for n in range(honest)] + [Remote(f"liar {n}", ALL, True) for n in range(lying)]
    book, banned, worked = book_of(*here, seed=seed), [], set()
    for now in range(1000):
        remote = rng.choice(here)
        remote.inbox += book.next_requests(remote, remote.pieces, rng.randint(1, 3), now)
        if remote.inbox:
            request = remote.inbox.pop(0)
            for completed in take(book, remote, [request], now):
                worked |= completed.sent.keys()
                if is_right(completed):
                    book.on_verified(completed)
                elif (guilty := book.on_failed(completed)) is not None:
                    banned.append(guilty)
                    here.remove(guilty)
                    book.on_gone(guilty, ALL)
        if book.is_complete:
            break
    assert book.is_complete
    assert all(remote.lies for remote in banned)


# -- one rule at a time ----------------------------------------------------------------------------------------------


def take(book: RequestBook[Remote], remote: Remote, requests: list[BlockRequest], now: float = 0) -> list:
    """The blocks arrive; the pieces they complete."""
    return book.on_blocks(remote, [remote.block(request) for request in requests], now).completed


def test_a_begun_piece_is_finished_before_another_is_begun():
    a, b = Remote("a", ALL), Remote("b", ALL)
    book = book_of(a, b, wanted=0b11111)  # pieces of two blocks
    (first,) = book.next_requests(a, ALL, 1, 0)
    second, third = book.next_requests(b, ALL, 2, 0)
    assert second == (first.piece, BLOCK_LENGTH, BLOCK_LENGTH)
    assert third.piece != first.piece


def begun_by(book: RequestBook[Remote], remote: Remote, blocks: int) -> list[int]:
    requests = book.next_requests(remote, remote.pieces, blocks, 0)
    return list(dict.fromkeys(request.piece for request in requests))


@pytest.mark.parametrize("seed", range(10))
def test_small_pieces_are_begun_side_by_side_as_far_as_they_are_as_rare(seed):
    remote, other = Remote("one", 0b011111), Remote("other", 0b001000)
    book = book_of(remote, other, seed=seed)
    first, second, *_ = begun_by(book, remote, 4)
    assert second == first + 1 or first == 3 or first + 1 in (3, 5)  # piece 3 has a copy more, and 5 it has not


def test_runs_of_small_pieces_end(monkeypatch):
    monkeypatch.setattr(begun_pieces, "RUN", 2 * PIECE_LENGTH)
    remote = Remote("one", ALL)
    runs = set()
    for seed in range(20):
        begun = begun_by(book_of(remote, seed=seed), remote, 6)
        runs.add(begun[2] == begun[1] + 1)
    assert runs == {True, False}


def test_what_was_begun_side_by_side_and_not_asked_for_is_anybodys():
    remote, other = Remote("one", ALL), Remote("other", ALL)
    left = 0
    for seed in range(10):
        book = book_of(remote, other, seed=seed)
        book.next_requests(remote, ALL, 3, 0)  # a piece, and half of the one beside it
        book.on_gone(remote, ALL)
        begun, asked = set(book.begun.partials), begun_by(book, other, 2 * COUNT)
        assert set(asked[: len(begun)]) == begun
        assert sorted(asked) == list(range(COUNT))
        left += len(begun)
    assert left


def test_runs_of_small_pieces_take_no_more_memory_than_pieces_may(monkeypatch):
    monkeypatch.setattr(begun_pieces, "PARTIAL_BYTES", 3 * PIECE_LENGTH)
    remote = Remote("one", ALL)
    for seed in range(10):
        book = book_of(remote, seed=seed)
        book.next_requests(remote, ALL, 6, 0)
        assert 2 <= len(book.begun.partials) <= 3


@pytest.mark.parametrize("reason", ["suggestion", "priority"])
def test_what_somebody_asks_for_by_piece_begins_no_run(reason):
    remote = Remote("one", ALL)
    for seed in range(10):
        book = book_of(remote, seed=seed)
        if reason == "suggestion":
            book.begun.on_suggest(remote, 1)
            book.begun.on_suggest(remote, 4)
        else:
            book.picker.order = PickingOrder(high=0b010010)
        assert set(begun_by(book, remote, 4)) == {1, 4}


def test_no_memory_is_kept_for_pieces_when_none_is_missing():
    peer = Remote("peer", ALL)
    book = book_of(peer, wanted=0b111)
    completed = take(book, peer, book.next_requests(peer, ALL, 6, 0))
    for partial in completed[:2]:
        book.on_verified(partial)
        book.let_go(partial)
    assert len(book.begun.buffers._spare) == 2
    book.on_verified(completed[2])
    book.let_go(completed[2])
    assert not book.begun.buffers._spare


def test_no_memory_is_kept_either_when_the_rest_is_not_wanted_any_more():
    peer = Remote("peer", ALL)
    book = book_of(peer)
    take(book, peer, book.next_requests(peer, ALL, 1, 0))
    assert book.begun.partials
    book.want(0)
    assert not book.begun.partials
    assert not book.begun.buffers._spare


def test_near_the_end_a_block_is_asked_of_three_and_the_first_copy_frees_the_others():
    remotes = [Remote(name, ALL) for name in "abcd"]
    book = book_of(*remotes, wanted=0b1)
    asked = [book.next_requests(remote, ALL, 9, 0) for remote in remotes]
    assert asked == [asked[0]] * ENDGAME_COPIES + [[]]
    arrivals = book.on_blocks(remotes[1], [remotes[1].block(asked[0][0])], 1)
    assert arrivals.cancel == [(remotes[0], asked[0][0]), (remotes[2], asked[0][0])]
    assert [book.owed(remote) for remote in remotes] == [1, 1, 1, 0]


def test_near_the_end_three_slow_ones_do_not_keep_the_last_blocks_from_the_rest():
    remotes = [Remote(name, ALL) for name in "abcd"]
    book = book_of(*remotes, wanted=0b1)
    asked = [book.next_requests(remote, ALL, 9, 0) for remote in remotes]
    assert asked[3] == []
    book.on_blocks(remotes[1], [remotes[1].block(asked[0][0])], ENDGAME_PATIENCE - 0.1)
    assert book.next_requests(remotes[3], ALL, 9, ENDGAME_PATIENCE - 0.1) == []
    assert book.next_requests(remotes[3], ALL, 9, ENDGAME_PATIENCE) == asked[0][1:]


def test_while_a_block_is_free_for_somebody_none_is_asked_twice():
    a, b = Remote("a", ALL), Remote("b", ALL)
    book = book_of(a, b, wanted=0b11)
    first = book.next_requests(a, 0b01, 2, 0)
    book.next_requests(a, 0b10, 1, 0)
    assert book.next_requests(b, 0b01, 2, 0) == []
    assert len(book.next_requests(b, 0b10, 1, 0)) == 1
    assert book.next_requests(b, 0b01, 2, 0) == first


def test_a_second_copy_is_dropped():
    a, b = Remote("a", ALL), Remote("b", ALL, lies=True)
    book = book_of(a, b, wanted=0b1)
    asked = book.next_requests(a, ALL, 9, 0)
    book.next_requests(b, ALL, 9, 0)
    (completed,) = take(book, a, asked)
    assert take(book, b, asked) == []
    assert is_right(completed)


def test_a_choked_request_is_for_others_but_still_taken_when_it_comes():
    a, b = Remote("a", ALL), Remote("b", ALL)
    book = book_of(a, b, wanted=0b1)
    asked = book.next_requests(a, ALL, 9, 0)
    book.lapse(a)
    assert book.owed(a) == 2
    assert book.next_requests(b, ALL, 9, 0) == asked
    assert book.on_blocks(a, [a.block(asked[0])], 1).cancel == [(b, asked[0])]


def test_a_block_asked_again_of_the_same_peer_counts_once():
    a = Remote("a", ALL)
    book = book_of(a, wanted=0b1)
    asked = book.next_requests(a, ALL, 9, 0)
    book.lapse(a)
    assert book.next_requests(a, ALL, 9, 0) == asked
    assert book.owed(a) == 2
    take(book, a, asked)
    assert book.owed(a) == 0


def test_a_peer_without_progress_lapses_and_is_then_forgiven():
    a = Remote("a", ALL)
    book = book_of(a, wanted=0b11)
    asked = book.next_requests(a, ALL, 4, 0)
    take(book, a, asked[:1], now=10)
    assert book.lapse_stalled(10 + BLOCK_TIMEOUT - 0.1) == []
    assert book.lapse_stalled(10 + BLOCK_TIMEOUT) == [a]
    assert book.owed(a) == 3
    assert book.lapse_stalled(10 + 2 * BLOCK_TIMEOUT) == []
    assert book.owed(a) == 0
    assert take(book, a, asked[1:]) == []


def test_the_clock_of_a_peer_that_owes_nothing_begins_with_its_next_request():
    a = Remote("a", ALL)
    book = book_of(a, wanted=0b11)
    take(book, a, book.next_requests(a, ALL, 2, 0))
    book.next_requests(a, ALL, 2, 1000)
    assert book.lapse_stalled(1001) == []


def test_rejected_blocks_can_be_asked_of_anybody():
    a, b = Remote("a", ALL), Remote("b", ALL)
    book = book_of(a, b, wanted=0b1)
    asked = book.next_requests(a, ALL, 9, 0)
    assert all(book.on_reject(a, request) for request in asked)
    assert not book.on_reject(a, asked[0])
    assert book.picker.open == 0b1, "with nothing of it here it is as if it had not been begun"
    assert book.next_requests(b, ALL, 9, 0) == asked


def share_a_bad_piece(book: RequestBook[Remote], liar: Remote, honest: Remote) -> None:
    """Both send a block of the same piece; its hash is wrong."""
    (mine,) = book.next_requests(liar, ALL, 1, 0)
    (yours,) = book.next_requests(honest, 1 << mine.piece, 1, 0)
    assert take(book, liar, [mine]) == []
    (completed,) = take(book, honest, [yours])
    assert book.on_failed(completed) is None
    assert set(completed.sent) == {liar, honest}


def test_suspects_work_alone_until_one_of_their_pieces_is_right():
    liar, honest = Remote("liar", ALL, lies=True), Remote("honest", ALL)
    book = book_of(liar, honest, wanted=0b111)
    share_a_bad_piece(book, liar, honest)
    (a,) = book.next_requests(liar, ALL, 1, 0)
    b = book.next_requests(honest, ALL, 2, 0)
    assert {a.piece}.isdisjoint({request.piece for request in b})
    (right,) = take(book, honest, b)
    book.on_verified(right)
    assert book.next_requests(honest, 1 << a.piece, 2, 0) == [], "what a suspect works on stays its own"
    (wrong,) = take(book, liar, [a, *book.next_requests(liar, 1 << a.piece, 1, 0)])
    assert book.on_failed(wrong) is liar
    book.on_gone(liar, ALL)
    newcomer = Remote("newcomer", ALL)
    (c,) = book.next_requests(newcomer, ALL, 1, 0)
    assert book.next_requests(honest, 1 << c.piece, 1, 0), "and the innocent shares again"


@pytest.mark.parametrize("pause", ["a choke", "silence", "idleness"])
def test_a_liar_does_not_escape_suspicion_by_owing_nothing(pause):
    liar, honest, other = Remote("liar", ALL, lies=True), Remote("honest", ALL), Remote("other", ALL)
    book = book_of(liar, honest, other, wanted=0b11)
    (bad,) = book.next_requests(liar, ALL, 1, 0)
    take(book, liar, [bad])
    match pause:
        case "a choke":
            book.lapse(liar)
            book.forgive(liar)
        case "silence":
            book.next_requests(liar, ALL & ~(1 << bad.piece), 1, 0)
            book.lapse_stalled(BLOCK_TIMEOUT)
            book.lapse_stalled(2 * BLOCK_TIMEOUT)
        case "idleness":
            book.lapse_stalled(BLOCK_TIMEOUT)
    (completed,) = take(book, honest, book.next_requests(honest, 1 << bad.piece, 1, 100))
    book.on_failed(completed)
    (alone,) = book.next_requests(liar, ALL, 1, 100)
    assert book.next_requests(other, 1 << alone.piece, 9, 100) == []


def test_a_suspect_takes_up_what_nobody_works_on_but_from_the_start():
    """Otherwise the last peer, under suspicion by somebody else's fault, would wait for ever."""
    liar, honest, gone = Remote("liar", ALL, lies=True), Remote("honest", ALL), Remote("gone", ALL)
    book = book_of(liar, honest, gone, wanted=0b11)
    begun = book.next_requests(gone, ALL, 1, 0)
    take(book, gone, begun)
    (mine,) = book.next_requests(liar, 0b11 & ~(1 << begun[0].piece), 1, 0)
    (yours,) = book.next_requests(honest, 1 << mine.piece, 1, 0)
    take(book, liar, [mine])
    (bad,) = take(book, honest, [yours])
    book.on_failed(bad)
    book.on_gone(liar, ALL)
    book.on_gone(gone, ALL)
    asked = book.next_requests(honest, ALL, 9, 0)
    assert len(asked) == 4
    for completed in take(book, honest, asked):
        assert is_right(completed)
        book.on_verified(completed)
    assert book.is_complete


def test_a_suspect_that_chokes_does_not_keep_its_piece_from_others():
    liar, honest, other = Remote("liar", ALL, lies=True), Remote("honest", ALL), Remote("other", ALL)
    book = book_of(liar, honest, other, wanted=0b1)
    share_a_bad_piece(book, liar, honest)
    take(book, liar, book.next_requests(liar, ALL, 1, 0))
    book.lapse(liar)
    assert len(book.next_requests(other, ALL, 9, 0)) == 2


def test_the_piece_of_a_suspect_that_leaves_is_open_at_once():
    liar, honest = Remote("liar", ALL, lies=True), Remote("honest", ALL)
    book = book_of(liar, honest, wanted=0b1)
    share_a_bad_piece(book, liar, honest)
    take(book, liar, book.next_requests(liar, ALL, 1, 0))
    book.on_gone(liar, ALL)
    assert book.picker.open == 0b1


def test_what_a_liar_left_behind_is_its_fault_even_when_it_is_gone():
    liar, honest = Remote("liar", ALL, lies=True), Remote("honest", ALL)
    book = book_of(liar, honest, wanted=0b1)
    (bad,) = take(book, liar, book.next_requests(liar, ALL, 2, 0))
    book.on_gone(liar, ALL)
    assert book.on_failed(bad) is liar
    assert len(book.next_requests(honest, ALL, 9, 0)) == 2


def test_a_new_piece_waits_while_too_many_are_unfinished(monkeypatch):
    monkeypatch.setattr(begun_pieces, "PARTIAL_BYTES", 3 * PIECE_LENGTH)
    a, b = Remote("a", ALL), Remote("b", ALL)
    book = book_of(a, b, wanted=0b11111)
    asked = book.next_requests(a, ALL, 99, 0)
    assert len({request.piece for request in asked}) == 3
    assert book.next_requests(b, ALL, 99, 0) == []
    take(book, a, [request for request in asked if request.begin == 0])
    book.on_gone(a, ALL)
    assert len(book.begun.partials) == 3
    assert len(book.next_requests(b, 1 << next(iter(indices(book.picker.open))), 99, 0)) == 2, "an idle one makes way"
    assert len(book.begun.partials) == 3


def test_pieces_nobody_wants_or_that_are_here_are_not_asked_for():
    a = Remote("a", ALL)
    book = book_of(a, wanted=0b0110, have=0b0011)
    assert {request.piece for request in book.next_requests(a, ALL, 99, 0)} == {2}
