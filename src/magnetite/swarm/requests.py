"""Which blocks to ask of whom, and what a block that arrives means. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

from magnetite.swarm.buffers import Buffers
from magnetite.swarm.deadlines import Deadlines
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.picker import MakePicker, Picker, PiecePicker
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.pieces import everything
from magnetite.torrent.pieces import of as mask_of
from magnetite.wire.messages import Block, BlockRequest

BLOCK_TIMEOUT = 20.0  # seconds without a single block, then what a peer owes us may be asked of others
ENDGAME_COPIES = 3  # peers asked for one block when nothing else is left to ask for
MOST_SUGGESTIONS = 32  # of one peer, the oldest forgotten first
PARTIAL_BYTES = 128 << 20  # in unfinished pieces, at most; two pieces are always allowed

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
    """Every block of a torrent's missing pieces: unrequested, owed by peers, or received.

    Peers are opaque keys. A peer under suspicion only works on pieces that are its own, until one of them is right.
    Invariant: a block in a peer's `owed` has the peer among its requesters in the partial piece, and vice versa; it is
    not in the peer's `lapsed` as well. Every connected peer that was ever asked for a block has a debt, even if empty.
    """

    def __init__(
        self, piece_map: PieceMap, wanted: int, have: int, rng: Random, make_picker: MakePicker = PiecePicker
    ) -> None:
        self._map = piece_map
        self.have = have  # mask of verified pieces
        self.wanted = wanted  # mask
        self.picker: Picker = make_picker(wanted & ~have, everything(piece_map.piece_count), rng)
        self._closed = everything(piece_map.piece_count) & ~wanted & ~have  # neither open, nor begun, nor had
        self.deadlines = Deadlines()
        self._buffers = Buffers(piece_map.piece_length)
        self._partials: dict[int, PartialPiece[P]] = {}
        self._partial_bytes = 0
        self._unasked: dict[int, PartialPiece[P]] = {}  # the partials with blocks that nobody owes us
        self._debts: dict[P, _Debt] = {}
        self._suspects: set[P] = set()
        self._suggested: dict[P, dict[int, None]] = {}  # peer -> pieces it would like to be asked for

    @property
    def missing(self) -> int:
        """Mask of the wanted pieces that are not verified."""
        return self.wanted & ~self.have

    @property
    def is_complete(self) -> bool:
        return not self.missing

    def want(self, wanted: int) -> None:
        """Other pieces are wanted from now on. What has come of those that no longer are is given up."""
        self.wanted = wanted
        for partial in [partial for partial in self._partials.values() if not wanted >> partial.piece & 1]:
            self._give_up(partial)
        for debt in self._debts.values():
            needless = [request for request in debt.owed if not wanted >> request.piece & 1]
            debt.lapsed.update(needless)
            for request in needless:
                del debt.owed[request]
        idle = self.picker.open | self._closed
        self.picker.offer(idle & wanted)
        self._closed = idle & ~wanted

    def reopen(self, piece: int) -> None:
        """A piece that was begun, or verified, is to be fetched anew, if it is wanted."""
        if self.wanted >> piece & 1:
            self.picker.reopen(piece)
        else:
            self._closed |= 1 << piece

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
        for partial in self._sources(peer, pieces) if len(chosen) < most else ():
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
            partial = self._partials.get(block.piece)
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
                self._drop(partial)
                arrivals.completed.append(partial)
        return arrivals

    def _on_late_or_doubled(
        self, peer: P, partial: PartialPiece[P], request: BlockRequest, requesters: tuple[P, ...], arrivals: Arrivals[P]
    ) -> None:
        """Nobody is to be asked for the block any more, and who was asked besides need not send it."""
        self._note(partial)
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
        self._release(peer, request)
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
                self._release(peer, request)
            debt.lapsed.update(debt.owed)
            debt.owed.clear()

    def withdraw(self, peer: P) -> list[BlockRequest]:
        """What the peer owes us and nobody waits to read: it is not owed any more, and should be cancelled."""
        debt = self._debts.get(peer)
        withdrawn = [request for request in debt.owed if request.piece not in self.deadlines] if debt else []
        for request in withdrawn:
            self._debts[peer].owed.pop(request)
            self._release(peer, request)
        return withdrawn

    def is_unasked(self, piece: int) -> bool:
        """Whether there are blocks of it that nobody has been asked for."""
        return piece in self._unasked or bool(self.picker.open >> piece & 1)

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
        self._suggested.pop(peer, None)
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
        self.deadlines.met(partial.piece)
        if len(partial.contributors) == 1:
            self._suspects -= partial.contributors.keys()

    def on_failed(self, partial: PartialPiece[P]) -> P | None:
        """The piece's hash was wrong, and it is open again. Who is to blame: whoever sent all of it, or None.

        Several senders are suspects: each must now prove itself alone.
        """
        self.reopen(partial.piece)
        if len(partial.contributors) == 1:
            return next(iter(partial.contributors))
        self._suspects.update(peer for peer in partial.contributors if peer in self._debts)
        return None

    def suspect(self, peer: P) -> None:
        """The peer, which has just connected, sent blocks of a wrong piece in an earlier life."""
        self._suspects.add(peer)

    def acquit(self, peer: P) -> None:
        """The blocks that made it a suspect were right."""
        self._suspects.discard(peer)

    def on_suggest(self, peer: P, piece: int) -> None:
        """The peer would like to be asked for the piece (BEP 6); it decides among equally rare ones."""
        suggested = self._suggested.setdefault(peer, {})
        suggested[piece] = None
        if len(suggested) > MOST_SUGGESTIONS:
            del suggested[next(iter(suggested))]

    def let_go(self, partial: PartialPiece[P]) -> None:
        """Nobody reads any more what is in the piece: its memory is for the next."""
        buffer = partial.give_up_buffer()
        if buffer is not None:
            self._buffers.give_back(buffer)

    # -- how blocks are found ----------------------------------------------------------------------------------------

    def _sources(self, peer: P, pieces: int) -> Iterator[PartialPiece[P]]:
        """Pieces to take unrequested blocks from: begun ones first, so that few are unfinished, then new ones.

        Before all others come those that somebody waits to read.
        """
        if self.deadlines:
            yield from self._due(peer, pieces)
        for partial in list(self._unasked.values()):
            if self._may_add(peer, partial, pieces):
                yield partial
        while (begun := self._begin(peer, pieces)) is not None:
            yield begun

    def _due(self, peer: P, pieces: int) -> Iterator[PartialPiece[P]]:
        fresh = pieces & self.picker.open & self.deadlines.pieces
        for piece in list(self.deadlines):
            partial = self._unasked.get(piece)
            if partial is None and fresh and fresh >> piece & 1:
                partial = self._begin(peer, 1 << piece)
            if partial is not None and self._may_add(peer, partial, pieces):
                yield partial

    def _ask_late_again(self, peer: P, pieces: int, most: int, now: float) -> list[BlockRequest]:
        """Blocks that others owe us of pieces which should be here by now."""
        chosen: list[BlockRequest] = []
        for piece in self.deadlines.late(now):
            partial = self._partials.get(piece)
            if partial is not None and self._may_add(peer, partial, pieces):
                chosen += partial.request_again(peer, most - len(chosen), ENDGAME_COPIES)
        return chosen

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
        piece = self.picker.begin(pieces, mask_of(self._suggested.get(peer, ())))
        if piece is None:
            return None
        only = peer if peer in self._suspects else None
        partial = self._partials[piece] = PartialPiece(
            piece, self._map.piece_length_of(piece), only, self._buffers.take
        )
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
        self.let_go(partial)
        self.reopen(partial.piece)

    def _drop(self, partial: PartialPiece[P]) -> None:
        del self._partials[partial.piece]
        self._unasked.pop(partial.piece, None)
        self._partial_bytes -= partial.length
