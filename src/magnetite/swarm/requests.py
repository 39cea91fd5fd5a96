"""Which blocks to ask of whom, and what a block that arrives means. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.picker import PiecePicker
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.pieces import everything
from magnetite.wire.messages import BlockRequest

BLOCK_TIMEOUT = 20.0  # seconds without a single block, then what a peer owes us may be asked of others
ENDGAME_COPIES = 3  # peers asked for one block when nothing else is left to ask for
PARTIAL_BYTES = 128 << 20  # in unfinished pieces, at most; two pieces are always allowed

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


@dataclass(slots=True)
class _Debt:
    """What one peer has been asked for. `lapsed` requests were released to others, but are taken if they still come."""

    owed: dict[BlockRequest, None]
    lapsed: set[BlockRequest]
    progress_at: float  # when the debt began or a block last came: activity of other kinds does not count


@dataclass(frozen=True, slots=True)
class Arrival(Generic[P]):
    """What a block meant: the piece it completed, and who need not send it any more."""

    completed: PartialPiece[P] | None
    cancel: tuple[P, ...]


class RequestBook(Generic[P]):
    """Every block of a torrent's missing pieces: unrequested, owed by peers, or received.

    Peers are opaque keys. A peer under suspicion only works on pieces that are its own, until one of them is right.
    Invariant: a block in a peer's `owed` has the peer among its requesters in the partial piece, and vice versa; it is
    not in the peer's `lapsed` as well. Every connected peer that was ever asked for a block has a debt, even if empty.
    """

    def __init__(self, piece_map: PieceMap, wanted: int, have: int, rng: Random) -> None:
        self._map = piece_map
        self.have = have  # mask of verified pieces
        self.wanted = wanted  # mask
        self.picker = PiecePicker(wanted & ~have, everything(piece_map.piece_count), rng)
        self._partials: dict[int, PartialPiece[P]] = {}
        self._partial_bytes = 0
        self._unasked: dict[int, PartialPiece[P]] = {}  # the partials with blocks that nobody owes us
        self._debts: dict[P, _Debt] = {}
        self._suspects: set[P] = set()

    @property
    def missing(self) -> int:
        """Mask of the wanted pieces that are not verified."""
        return self.wanted & ~self.have

    @property
    def is_complete(self) -> bool:
        return not self.missing

    def owed(self, peer: P) -> int:
        """Blocks the peer still owes us, late ones included."""
        debt = self._debts.get(peer)
        return len(debt.owed) + len(debt.lapsed) if debt else 0

    def next_requests(self, peer: P, pieces: int, most: int, now: float) -> list[BlockRequest]:
        """Up to `most` blocks to ask of `peer`, which has the pieces of the mask `pieces`."""
        if most <= 0:
            return []
        chosen: list[BlockRequest] = []
        for partial in self._sources(peer, pieces):
            chosen += partial.request(peer, most - len(chosen))
            self._note(partial)
            if len(chosen) >= most:
                break
        if not chosen and self._is_endgame():
            for partial in self._partials.values():
                if self._may_add(peer, partial, pieces):
                    chosen += partial.request_again(peer, most - len(chosen), ENDGAME_COPIES)
        if chosen:
            debt = self._debts.setdefault(peer, _Debt({}, set(), now))
            if not debt.owed:
                debt.progress_at = now
            debt.owed.update(dict.fromkeys(chosen))
            debt.lapsed.difference_update(chosen)
        return chosen

    def on_block(self, peer: P, request: BlockRequest, data: bytes | memoryview, now: float) -> Arrival[P] | None:
        """A block came. None where it was not asked for, or is not needed any more: it is dropped."""
        debt = self._debts.get(peer)
        if debt is None or not self._settle(debt, request):
            return None
        debt.progress_at = now
        partial = self._partials.get(request.piece)
        if partial is None or (partial.only is not None and partial.only is not peer):
            return None
        others = partial.receive(peer, request.begin, data)
        if others is None:
            return None
        for other in others:
            self._debts[other].owed.pop(request, None)
        self._note(partial)
        completed = partial if partial.is_complete else None
        if completed:
            self._drop(partial)
        return Arrival(completed, tuple(others))

    def on_reject(self, peer: P, request: BlockRequest) -> bool:
        """The peer will not send it (BEP 6). False where nothing of the kind was asked."""
        debt = self._debts.get(peer)
        if debt is None or not self._settle(debt, request):
            return False
        self._release(peer, request)
        return True

    def lapse(self, peer: P) -> None:
        """The peer choked us, or is too slow: others may be asked; what still comes from it is taken."""
        debt = self._debts.get(peer)
        if debt is not None:
            for request in debt.owed:
                self._release(peer, request)
            debt.lapsed.update(debt.owed)
            debt.owed.clear()

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
        self._suspects.discard(peer)
        self.picker.availability.remove(pieces)
        for partial in list(self._partials.values()):
            if partial.only is peer:
                self._give_up(partial)

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
        if len(partial.contributors) == 1:
            self._suspects -= partial.contributors.keys()

    def on_failed(self, partial: PartialPiece[P]) -> P | None:
        """The piece's hash was wrong, and it is open again. Who is to blame: whoever sent all of it, or None.

        Several senders are suspects: each must now prove itself alone.
        """
        self.picker.reopen(partial.piece)
        if len(partial.contributors) == 1:
            return next(iter(partial.contributors))
        self._suspects.update(peer for peer in partial.contributors if peer in self._debts)
        return None

    # -- how blocks are found ----------------------------------------------------------------------------------------

    def _sources(self, peer: P, pieces: int) -> Iterator[PartialPiece[P]]:
        """Pieces to take unrequested blocks from: begun ones first, so that few are unfinished, then new ones."""
        for partial in list(self._unasked.values()):
            if self._may_add(peer, partial, pieces):
                yield partial
        while (begun := self._begin(peer, pieces)) is not None:
            yield begun

    def _may_add(self, peer: P, partial: PartialPiece[P], pieces: int) -> bool:
        """Whether `peer` has the piece and may add to what is there of it."""
        if not pieces >> partial.piece & 1:
            return False
        return partial.only is peer or (partial.only is None and peer not in self._suspects)

    def _begin(self, peer: P, pieces: int) -> PartialPiece[P] | None:
        if not pieces & self.picker.open:
            self._reclaim(peer, pieces)
        if not pieces & self.picker.open or not self._has_room():
            return None
        piece = self.picker.begin(pieces)
        if piece is None:
            return None
        only = peer if peer in self._suspects else None
        partial = self._partials[piece] = PartialPiece(piece, self._map.piece_length_of(piece), only)
        self._partial_bytes += partial.length
        self._note(partial)
        return partial

    def _reclaim(self, peer: P, pieces: int) -> None:
        """Give up a piece that `peer` has but may not add to and nobody works on: it would wait for ever otherwise.

        Peers that can be asked are asked again after every block, so nobody's current work is taken away here.
        """
        for partial in self._unasked.values():
            if partial.is_abandoned and pieces >> partial.piece & 1 and not self._may_add(peer, partial, pieces):
                self._give_up(partial)
                return

    def _has_room(self) -> bool:
        """Whether one more piece may be begun; a piece that nobody works on makes way for it."""
        if len(self._partials) < 2 or self._partial_bytes + self._map.piece_length <= PARTIAL_BYTES:
            return True
        abandoned = [partial for partial in self._unasked.values() if partial.is_abandoned]
        if not abandoned:
            return False
        self._give_up(min(abandoned, key=lambda partial: partial.received_blocks))
        return True

    def _is_endgame(self) -> bool:
        """Whether every block that somebody has, and more than one peer may send, is owed already."""
        if self.picker.open & ~self.picker.availability.absent:
            return False
        return all(partial.only is not None for partial in self._unasked.values())

    # -- bookkeeping -------------------------------------------------------------------------------------------------

    def _settle(self, debt: _Debt, request: BlockRequest) -> bool:
        """Strike the request off what the peer owes; False where it is not on it."""
        if request in debt.lapsed:
            debt.lapsed.discard(request)
            return True
        return debt.owed.pop(request, debt) is None

    def _release(self, peer: P, request: BlockRequest) -> None:
        partial = self._partials.get(request.piece)
        if partial is None:
            return
        partial.release(peer, request.begin)
        self._note(partial)
        if partial.is_abandoned and (partial.only is not None or not partial.received_blocks):
            self._give_up(partial)  # nothing of it is here, or nobody else may finish it: let it be picked afresh

    def _note(self, partial: PartialPiece[P]) -> None:
        """Keep `_unasked` true after a change."""
        if partial.has_unrequested:
            self._unasked[partial.piece] = partial
        else:
            self._unasked.pop(partial.piece, None)

    def _give_up(self, partial: PartialPiece[P]) -> None:
        self._drop(partial)
        self.picker.reopen(partial.piece)

    def _drop(self, partial: PartialPiece[P]) -> None:
        del self._partials[partial.piece]
        self._unasked.pop(partial.piece, None)
        self._partial_bytes -= partial.length
