"""Which blocks to ask of whom, and what a block that arrives means. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import Generic, TypeVar

from magnetite.swarm.begun_pieces import BegunPieces
from magnetite.swarm.block_set import mask_of, requests_for
from magnetite.swarm.deadlines import Deadlines
from magnetite.swarm.debt import Debt
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.picker import MakePicker, PiecePicker
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.pieces import of as pieces_of
from magnetite.wire.messages import BLOCK_LENGTH, Block, BlockRequest

BLOCK_TIMEOUT = 20.0  # seconds without a single block, then what a peer owes us may be asked of others
ENDGAME_COPIES = 3  # peers asked for one block when nothing else is left to ask for, not counting
ENDGAME_PATIENCE = 2.0  # seconds without a block: those from whom none has come for so long

NO_BUFFER = memoryview(b"")
PIECE_OF = attrgetter("piece")

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


@dataclass(slots=True)
class Arrivals(Generic[P]):
    """What the blocks of one read meant: those we had use for, the pieces they completed, and what others need not
    send any more."""

    blocks: int = 0
    length: int = 0  # bytes
    completed: list[PartialPiece[P]] = field(default_factory=list)
    cancel: list[tuple[P, BlockRequest]] = field(default_factory=list)
    empty: list[Block] = field(default_factory=list)  # without data


class RequestBook(Generic[P]):
    """Every block of a torrent's missing pieces: unrequested, owed by peers, or received. Peers are opaque keys.

    Invariant: a block in a peer's `owed` has the peer among its requesters in the partial piece, and vice versa. Every
    connected peer that was ever asked for a block has a debt, even if empty.
    """

    def __init__(
        self, piece_map: PieceMap, wanted: int, have: int, rng: Random, make_picker: MakePicker = PiecePicker
    ) -> None:
        self.have = have  # mask of verified pieces
        self.begun = BegunPieces[P](piece_map, wanted, have, rng, make_picker)
        self.picker = self.begun.picker
        self.deadlines = Deadlines()
        self._map = piece_map
        self._debts: dict[P, Debt] = {}

    @property
    def wanted(self) -> int:
        """Mask of the pieces that are to be had in the end."""
        return self.begun.wanted

    @property
    def missing(self) -> int:
        """Mask of the wanted pieces that are not verified."""
        return self.begun.wanted & ~self.have

    @property
    def is_complete(self) -> bool:
        return not self.missing

    def want(self, wanted: int) -> None:
        """Other pieces are wanted from now on. What has come of those that no longer are is given up."""
        self.begun.want(wanted)
        for debt in self._debts.values():
            for piece, blocks in list(debt.owed.items()):
                if not wanted >> piece & 1:
                    debt.lapse(piece, blocks)
        self._forget_spares()

    def reopen(self, piece: int) -> None:
        """A piece that was begun, or verified, is to be fetched anew, if it is wanted."""
        self.begun.reopen(piece)

    def owed(self, peer: P) -> int:
        """Blocks the peer still owes us, late ones included."""
        debt = self._debts.get(peer)
        return len(debt) if debt is not None else 0

    def next_requests(self, peer: P, pieces: int, most: int, now: float) -> list[BlockRequest]:
        """Up to `most` blocks to ask of `peer`, which has the pieces of the mask `pieces`."""
        if most <= 0:
            return []
        debt = self._debts.get(peer)
        if debt is None:
            debt = Debt(now)
        requests: list[BlockRequest] = []
        for partial, blocks in self._choose(peer, pieces, most, now):
            debt.ask(partial.piece, blocks, now)
            requests += partial.requests(blocks)
        if requests:
            self._debts[peer] = debt
        return requests

    def _choose(self, peer: P, pieces: int, most: int, now: float) -> Iterator[tuple[PartialPiece[P], int]]:
        """Up to `most` blocks by piece, marked as asked of the peer: late ones first, and some again where all are."""
        left = most
        if self.deadlines:
            for partial in self._late(peer, pieces, now):
                if blocks := partial.request_again(peer, left, ENDGAME_COPIES):
                    left -= blocks.bit_count()
                    yield partial, blocks
        for partial in self.begun.sources(peer, pieces, self.deadlines) if left else ():
            if blocks := partial.request(peer, left):
                left -= blocks.bit_count()
                self.begun.note(partial)
                yield partial, blocks
            if not left:
                return
        if left == most and self.begun.is_endgame():
            slow = self._slow(now)
            for partial in self.begun.partials.values():
                may_add = self.begun.may_add(peer, partial, pieces)
                if may_add and (blocks := partial.request_again(peer, left, ENDGAME_COPIES, slow)):
                    left -= blocks.bit_count()
                    yield partial, blocks

    def _slow(self, now: float) -> set[P]:
        """Who owes us blocks, and has sent none for a while: three of them must not keep the last from the rest."""
        return {peer for peer, debt in self._debts.items() if now - debt.progress_at >= ENDGAME_PATIENCE}

    def _late(self, peer: P, pieces: int, now: float) -> Iterator[PartialPiece[P]]:
        """Pieces which should be here by now, and the peer could help with."""
        for piece in self.deadlines.late(now):
            partial = self.begun.partials.get(piece)
            if partial is not None and self.begun.may_add(peer, partial, pieces):
                yield partial

    def on_blocks(self, peer: P, blocks: Iterable[Block], now: float) -> Arrivals[P]:
        """Blocks came. What was not asked for, or is not needed any more, is dropped."""
        arrivals = Arrivals[P]()
        if peer in self._debts:
            for piece, run in groupby(blocks, PIECE_OF):
                self._on_run(peer, piece, run, now, arrivals)
        return arrivals

    def _on_run(self, peer: P, piece: int, run: Iterable[Block], now: float, arrivals: Arrivals[P]) -> None:
        """Blocks of one piece came. They are copied one by one, and booked together."""
        debt, piece_length = self._debts[peer], self._map.piece_length_of(piece)
        due = debt.due(piece)
        partial = self.begun.partials.get(piece)
        if partial is not None and due and (partial.only is None or partial.only is peer):
            wanted, buffer = due & partial.missing, partial.buffer
        else:
            wanted, buffer = 0, NO_BUFFER
        paid = taken = 0
        for block in run:
            begin, data = block.begin, block.data
            end = begin + len(data)
            is_block = end <= piece_length if len(data) == BLOCK_LENGTH else end == piece_length
            bit = 1 << begin // BLOCK_LENGTH if is_block and not begin % BLOCK_LENGTH else 0
            if due & bit & ~paid:
                paid |= bit
                if wanted & bit:
                    buffer[begin:end] = data
                    taken |= bit
                    arrivals.length += end - begin
            elif not data:
                arrivals.empty.append(block)
        if paid:
            debt.pay(piece, paid, now)
        if partial is not None and taken:
            self._on_taken(peer, partial, taken, arrivals)

    def _on_taken(self, peer: P, partial: PartialPiece[P], taken: int, arrivals: Arrivals[P]) -> None:
        """Nobody is to be asked for the blocks any more, and who was asked besides need not send them."""
        arrivals.blocks += taken.bit_count()
        for other, doubled in partial.take(peer, taken):
            self._debts[other].owed.discard(partial.piece, doubled)
            arrivals.cancel += [(other, request) for request in partial.requests(doubled)]
        if partial.is_complete:
            self.begun.drop(partial)
            arrivals.completed.append(partial)
        else:
            self.begun.note(partial)

    def on_reject(self, peer: P, request: BlockRequest) -> bool:
        """The peer will not send it (BEP 6). False where nothing of the kind was asked."""
        debt = self._debts.get(peer)
        block = mask_of(request, self._map.piece_length_of(request.piece))
        if debt is None or not (debt.lapsed.discard(request.piece, block) or debt.owed.discard(request.piece, block)):
            return False
        self.begun.release(peer, request.piece, block)
        return True

    def on_lost(self, peer: P, pieces: int) -> None:
        """The peer has the pieces of the mask no more, and will not say of each request that it is dropped (BEP 54)."""
        debt = self._debts.get(peer)
        for blocks in (debt.owed, debt.lapsed) if debt is not None else ():
            for piece, mask in [(piece, mask) for piece, mask in blocks.items() if pieces >> piece & 1]:
                blocks.discard(piece, mask)
                self.begun.release(peer, piece, mask)

    def lapse(self, peer: P) -> None:
        """The peer choked us, or is too slow: others may be asked; what still comes from it is taken."""
        debt = self._debts.get(peer)
        if debt is not None:
            for piece, blocks in list(debt.owed.items()):
                self.begun.release(peer, piece, blocks)
                debt.lapse(piece, blocks)

    def withdraw(self, peer: P) -> list[BlockRequest]:
        """What the peer owes us and nobody waits to read: it is not owed any more, and should be cancelled."""
        withdrawn: list[BlockRequest] = []
        debt = self._debts.get(peer)
        if debt is not None:
            for piece, blocks in [owed for owed in debt.owed.items() if owed[0] not in self.deadlines]:
                debt.owed.discard(piece, blocks)
                self.begun.release(peer, piece, blocks)
                withdrawn += requests_for(piece, blocks, self._map.piece_length_of(piece))
        return withdrawn

    def forgive(self, peer: P) -> None:
        """The peer has unchoked us after dropping our requests: it owes nothing any more."""
        self.lapse(peer)
        debt = self._debts.get(peer)
        if debt is not None:
            debt.lapsed.clear()

    def on_gone(self, peer: P, pieces: int) -> None:
        """The connection is over; `pieces` are those it had."""
        self.lapse(peer)
        self._debts.pop(peer, None)
        self.picker.availability.remove(pieces)
        self.begun.on_gone(peer)

    def lapse_stalled(self, now: float) -> list[P]:
        """Lapse the requests of peers that have not sent a block for BLOCK_TIMEOUT; those peers.

        One that goes on like that is forgiven: perhaps it dropped the requests without a word, and can be asked again.
        """
        stalled = {peer: debt for peer, debt in self._debts.items() if now - debt.progress_at >= BLOCK_TIMEOUT}
        snubbing = [peer for peer, debt in stalled.items() if debt.owed]
        for peer, debt in stalled.items():
            if peer in snubbing:
                self.lapse(peer)
                debt.progress_at = now
            else:
                debt.lapsed.clear()
        return snubbing

    def on_verified(self, *partials: PartialPiece[P]) -> None:
        """The pieces' hashes were right, and they are written. Whoever made one alone is above suspicion."""
        self.have |= pieces_of([partial.piece for partial in partials])
        for partial in partials:
            self.deadlines.met(partial.piece)
            if len(partial.sent) == 1:
                self.begun.suspects -= partial.sent.keys()

    def on_failed(self, partial: PartialPiece[P]) -> P | None:
        """The piece's hash was wrong, and it is open again. Who is to blame: whoever sent all of it, or None.

        Several senders are suspects: each must now prove itself alone.
        """
        self.reopen(partial.piece)
        if len(partial.sent) == 1:
            return next(iter(partial.sent))
        self.begun.suspects.update(peer for peer in partial.sent if peer in self._debts)
        return None

    def let_go(self, *partials: PartialPiece[P]) -> None:
        """Nobody reads any more what is in the pieces: their memory is for the next."""
        for partial in partials:
            self.begun.let_go(partial)
        self._forget_spares()

    def _forget_spares(self) -> None:
        """A seed, of which there may be a thousand, fetches nothing."""
        if self.is_complete:
            self.begun.buffers.forget_spares()
