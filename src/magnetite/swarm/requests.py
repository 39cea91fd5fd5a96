"""Which blocks to ask of whom, and what a block that arrives means. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

from magnetite.swarm.begun_pieces import BegunPieces
from magnetite.swarm.deadlines import Deadlines
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.picker import MakePicker, PiecePicker
from magnetite.torrent.piece_map import PieceMap
from magnetite.wire.messages import Block, BlockRequest

BLOCK_TIMEOUT = 20.0  # seconds without a single block, then what a peer owes us may be asked of others
ENDGAME_COPIES = 3  # peers asked for one block when nothing else is left to ask for

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


@dataclass(slots=True)
class _Debt:
    """What one peer has been asked for. `lapsed` requests were released to others, but are taken if they still come."""

    owed: dict[BlockRequest, None]
    lapsed: set[BlockRequest]
    progress_at: float  # when the debt began or a block last came: activity of other kinds does not count


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

    Invariant: a block in a peer's `owed` has the peer among its requesters in the partial piece, and vice versa; it is
    not in the peer's `lapsed` as well. Every connected peer that was ever asked for a block has a debt, even if empty.
    """

    def __init__(
        self, piece_map: PieceMap, wanted: int, have: int, rng: Random, make_picker: MakePicker = PiecePicker
    ) -> None:
        self.have = have  # mask of verified pieces
        self.begun = BegunPieces[P](piece_map, wanted, have, rng, make_picker)
        self.picker = self.begun.picker
        self.deadlines = Deadlines()
        self._debts: dict[P, _Debt] = {}

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
            needless = [request for request in debt.owed if not wanted >> request.piece & 1]
            debt.lapsed.update(needless)
            for request in needless:
                del debt.owed[request]
        self._forget_spares()

    def reopen(self, piece: int) -> None:
        """A piece that was begun, or verified, is to be fetched anew, if it is wanted."""
        self.begun.reopen(piece)

    def owed(self, peer: P) -> int:
        """Blocks the peer still owes us, late ones included."""
        debt = self._debts.get(peer)
        return len(debt.owed) + len(debt.lapsed) if debt else 0

    def next_requests(self, peer: P, pieces: int, most: int, now: float) -> list[BlockRequest]:
        """Up to `most` blocks to ask of `peer`, which has the pieces of the mask `pieces`."""
        if most <= 0:
            return []
        chosen: list[BlockRequest] = []
        if self.deadlines:
            chosen += self._ask_late_again(peer, pieces, most, now)
        for partial in self.begun.sources(peer, pieces, self.deadlines) if len(chosen) < most else ():
            chosen += partial.request(peer, most - len(chosen))
            self.begun.note(partial)
            if len(chosen) >= most:
                break
        if not chosen and self.begun.is_endgame():
            for partial in self.begun.partials.values():
                if self.begun.may_add(peer, partial, pieces):
                    chosen += partial.request_again(peer, most - len(chosen), ENDGAME_COPIES)
        if chosen:
            debt = self._debts.setdefault(peer, _Debt({}, set(), now))
            if not debt.owed:
                debt.progress_at = now
            debt.owed.update(dict.fromkeys(chosen))
            if debt.lapsed:
                debt.lapsed.difference_update(chosen)
        return chosen

    def on_blocks(self, peer: P, blocks: Iterable[Block], now: float) -> Arrivals[P]:
        """Blocks came. What was not asked for, or is not needed any more, is dropped."""
        arrivals = Arrivals[P]()
        debt = self._debts.get(peer)
        if debt is None:
            return arrivals
        owed = debt.owed
        for block in blocks:
            data = block.data
            request = (block.piece, block.begin, len(data))  # as good a key as a BlockRequest, and made faster
            if request in owed:
                del owed[request]
            elif request in debt.lapsed:
                debt.lapsed.discard(request)
            else:
                if not data:
                    arrivals.empty.append(block)
                continue
            debt.progress_at = now
            partial = self.begun.partials.get(block.piece)
            if partial is None or (partial.only is not None and partial.only is not peer):
                continue
            requesters = partial.receive(peer, block.begin, data)
            if requesters is None:
                continue
            arrivals.blocks += 1
            arrivals.length += len(data)
            if len(requesters) != 1 or requesters[0] is not peer:
                self._on_late_or_doubled(peer, partial, block.request, requesters, arrivals)
            if partial.is_complete:
                self.begun.drop(partial)
                arrivals.completed.append(partial)
        return arrivals

    def _on_late_or_doubled(
        self, peer: P, partial: PartialPiece[P], request: BlockRequest, requesters: tuple[P, ...], arrivals: Arrivals[P]
    ) -> None:
        """Nobody is to be asked for the block any more, and who was asked besides need not send it."""
        self.begun.note(partial)
        for other in requesters:
            if other is not peer:
                self._debts[other].owed.pop(request, None)
                arrivals.cancel.append((other, request))

    def on_reject(self, peer: P, request: BlockRequest) -> bool:
        """The peer will not send it (BEP 6). False where nothing of the kind was asked."""
        debt = self._debts.get(peer)
        if debt is None:
            return False
        if request in debt.lapsed:
            debt.lapsed.discard(request)
        elif debt.owed.pop(request, debt) is not None:
            return False
        self.begun.release(peer, request)
        return True

    def on_lost(self, peer: P, pieces: int) -> None:
        """The peer has the pieces of the mask no more, and will not say of each request that it is dropped (BEP 54)."""
        debt = self._debts.get(peer)
        for request in [*debt.owed, *debt.lapsed] if debt else ():
            if pieces >> request.piece & 1:
                self.on_reject(peer, request)

    def lapse(self, peer: P) -> None:
        """The peer choked us, or is too slow: others may be asked; what still comes from it is taken."""
        debt = self._debts.get(peer)
        if debt is not None:
            for request in debt.owed:
                self.begun.release(peer, request)
            debt.lapsed.update(debt.owed)
            debt.owed.clear()

    def withdraw(self, peer: P) -> list[BlockRequest]:
        """What the peer owes us and nobody waits to read: it is not owed any more, and should be cancelled."""
        debt = self._debts.get(peer)
        withdrawn = [request for request in debt.owed if request.piece not in self.deadlines] if debt else []
        for request in withdrawn:
            self._debts[peer].owed.pop(request)
            self.begun.release(peer, request)
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

    def on_verified(self, partial: PartialPiece[P]) -> None:
        """The piece's hash was right, and it is written. Whoever made it alone is above suspicion."""
        self.have |= 1 << partial.piece
        self.deadlines.met(partial.piece)
        if len(partial.contributors) == 1:
            self.begun.suspects -= partial.contributors.keys()

    def on_failed(self, partial: PartialPiece[P]) -> P | None:
        """The piece's hash was wrong, and it is open again. Who is to blame: whoever sent all of it, or None.

        Several senders are suspects: each must now prove itself alone.
        """
        self.reopen(partial.piece)
        if len(partial.contributors) == 1:
            return next(iter(partial.contributors))
        self.begun.suspects.update(peer for peer in partial.contributors if peer in self._debts)
        return None

    def let_go(self, partial: PartialPiece[P]) -> None:
        """Nobody reads any more what is in the piece: its memory is for the next."""
        self.begun.let_go(partial)
        self._forget_spares()

    def _forget_spares(self) -> None:
        """A seed, of which there may be a thousand, fetches nothing."""
        if self.is_complete:
            self.begun.buffers.forget_spares()

    def _ask_late_again(self, peer: P, pieces: int, most: int, now: float) -> list[BlockRequest]:
        """Blocks that others owe us of pieces which should be here by now."""
        chosen: list[BlockRequest] = []
        for piece in self.deadlines.late(now):
            partial = self.begun.partials.get(piece)
            if partial is not None and self.begun.may_add(peer, partial, pieces):
                chosen += partial.request_again(peer, most - len(chosen), ENDGAME_COPIES)
        return chosen
