"""The pieces that have been begun, and which of them, or which new one, a peer is to work on. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from random import Random
from typing import Final, Generic, TypeVar

from magnetite.swarm.buffers import Buffers
from magnetite.swarm.deadlines import Deadlines
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.picker import MakePicker, Picker, lowest_bit
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.pieces import everything
from magnetite.torrent.pieces import of as mask_of

MOST_SUGGESTIONS: Final = 32  # of one peer, the oldest forgotten first
PARTIAL_BYTES: Final = 128 << 20  # in unfinished pieces, at most; two pieces are always allowed

RUN: Final = 256 << 10  # bytes of small pieces that are begun together; the usual piece has as many

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


class BegunPieces(Generic[P]):
    """The missing pieces of a torrent: open, for the picker to choose from; begun; or closed, for nobody wants them.

    A complete one is none of the three: it is on its way to the disk. Peers are opaque keys; one under suspicion only
    works on pieces that are its own, until one of them is right.
    Invariant: `unasked` are those `partials` with blocks that nobody owes us.
    """

    def __init__(self, piece_map: PieceMap, wanted: int, have: int, rng: Random, make_picker: MakePicker) -> None:
        every = everything(piece_map.piece_count)
        self.wanted = wanted  # mask
        self.picker: Picker = make_picker(wanted & ~have, every, rng)
        self.partials: dict[int, PartialPiece[P]] = {}
        self.unasked: dict[int, PartialPiece[P]] = {}
        self.suspects: set[P] = set()
        self.buffers = Buffers(piece_map.piece_length)
        self._map = piece_map
        self._closed = every & ~wanted & ~have
        self._bytes = 0  # of the partials
        self._suggested: dict[P, dict[int, None]] = {}  # peer -> pieces it would like to be asked for

    def want(self, wanted: int) -> None:
        """Other pieces are wanted from now on. What has come of those that no longer are is given up."""
        self.wanted = wanted
        for partial in [partial for partial in self.partials.values() if not wanted >> partial.piece & 1]:
            self._give_up(partial)
        idle = self.picker.open | self._closed
        self.picker.offer(idle & wanted)
        self._closed = idle & ~wanted

    def reopen(self, piece: int) -> None:
        """A piece that was begun, or verified, is to be fetched anew, if it is wanted."""
        if self.wanted >> piece & 1:
            self.picker.reopen(piece)
        else:
            self._closed |= 1 << piece

    def let_go(self, partial: PartialPiece[P]) -> None:
        """Nobody reads any more what is in the piece: its memory is for the next."""
        buffer = partial.give_up_buffer()
        if buffer is not None:
            self.buffers.give_back(buffer)

    def on_suggest(self, peer: P, piece: int) -> None:
        """The peer would like to be asked for the piece (BEP 6); it decides among equally rare ones."""
        suggested = self._suggested.setdefault(peer, {})
        suggested[piece] = None
        if len(suggested) > MOST_SUGGESTIONS:
            del suggested[next(iter(suggested))]

    def on_gone(self, peer: P) -> None:
        """Nobody else may finish what was its own."""
        self.suspects.discard(peer)
        self._suggested.pop(peer, None)
        for partial in list(self.partials.values()):
            if partial.only is peer:
                self._give_up(partial)

    # -- whose work a piece is ---------------------------------------------------------------------------------------

    def may_add(self, peer: P, partial: PartialPiece[P], pieces: int) -> bool:
        """Whether `peer`, which has the pieces of the mask, has this one, and may add to what is there of it."""
        if not pieces >> partial.piece & 1:
            return False
        return partial.only is peer or (partial.only is None and peer not in self.suspects)

    def sources(self, peer: P, pieces: int, deadlines: Deadlines) -> Iterator[PartialPiece[P]]:
        """Pieces to take unrequested blocks from: begun ones first, so that few are unfinished, then new ones.

        Before all others come those that somebody waits to read.
        """
        if deadlines:
            yield from self._due(peer, pieces, deadlines)
        for partial in list(self.unasked.values()):
            if self.may_add(peer, partial, pieces):
                yield partial
        while (begun := self._begin(peer, pieces)) is not None:
            yield begun
            yield from self._beside(begun, peer, pieces)

    def _beside(self, first: PartialPiece[P], peer: P, pieces: int) -> list[PartialPiece[P]]:
        """New pieces behind one that was just begun, if they are small: as many as make up RUN, and are as rare.

        What lies side by side is written, and read by the peer, in one go; to pick each small piece by itself takes as
        long as all else that is done for it. Suggestions and priorities are about each piece, and come first.
        """
        behind, count, order = first.piece + 1, RUN // self._map.piece_length - 1, self.picker.order
        count = min(count, (PARTIAL_BYTES - self._bytes) // self._map.piece_length)
        if count <= 0 or order.high or order.low or self._suggested.get(peer):
            return []
        alike = self.picker.availability.as_rare_as(first.piece) & self.picker.open & pieces
        run = alike >> behind & (1 << count) - 1
        length = lowest_bit(~run)
        self.picker.take((1 << length) - 1 << behind)
        return [self._start(peer, piece) for piece in range(behind, behind + length)]

    def _due(self, peer: P, pieces: int, deadlines: Deadlines) -> Iterator[PartialPiece[P]]:
        fresh = pieces & self.picker.open & deadlines.pieces
        for piece in list(deadlines):
            partial = self.unasked.get(piece)
            if partial is None and fresh and fresh >> piece & 1:
                partial = self._begin(peer, 1 << piece)
            if partial is not None and self.may_add(peer, partial, pieces):
                yield partial

    def is_unasked(self, piece: int) -> bool:
        """Whether there are blocks of it that nobody has been asked for."""
        return piece in self.unasked or bool(self.picker.open >> piece & 1)

    def is_endgame(self) -> bool:
        """Whether every block that somebody has, and more than one peer may send, is owed already."""
        if self.picker.open & ~self.picker.availability.absent:
            return False
        return all(partial.only is not None for partial in self.unasked.values())

    def _begin(self, peer: P, pieces: int) -> PartialPiece[P] | None:
        if not pieces & self.picker.open:
            self._reclaim(peer, pieces)
            if not pieces & self.picker.open:
                return None
        if not self._has_room():
            return None
        suggested = self._suggested.get(peer)
        piece = self.picker.begin(pieces, mask_of(suggested) if suggested else 0)
        return None if piece is None else self._start(peer, piece)

    def _start(self, peer: P, piece: int) -> PartialPiece[P]:
        """Begin a piece that the picker has given away."""
        only = peer if peer in self.suspects else None
        length = self._map.piece_length_of(piece)
        partial = self.partials[piece] = PartialPiece(piece, length, only, self.buffers.take)
        self._bytes += partial.length
        self.note(partial)
        return partial

    def _reclaim(self, peer: P, pieces: int) -> None:
        """Give up a piece that `peer` has but may not add to and nobody works on: it would wait for ever otherwise.

        Peers that can be asked are asked again after every block, so nobody's current work is taken away here.
        """
        for partial in self.unasked.values():
            if partial.is_abandoned and pieces >> partial.piece & 1 and not self.may_add(peer, partial, pieces):
                self._give_up(partial)
                return

    def _has_room(self) -> bool:
        """Whether one more piece may be begun; a piece that nobody works on makes way for it."""
        if len(self.partials) < 2 or self._bytes + self._map.piece_length <= PARTIAL_BYTES:
            return True
        abandoned = [partial for partial in self.unasked.values() if partial.is_abandoned]
        if not abandoned:
            return False
        self._give_up(min(abandoned, key=lambda partial: partial.received_blocks))
        return True

    # -- bookkeeping -------------------------------------------------------------------------------------------------

    def release(self, peer: P, piece: int, blocks: int) -> None:
        """The peer owes us these blocks no more, and has not sent them."""
        partial = self.partials.get(piece)
        if partial is None:
            return
        partial.release(peer, blocks)
        self.note(partial)
        if partial.is_abandoned and (partial.only is not None or not partial.received_blocks):
            self._give_up(partial)  # nothing of it is here, or nobody else may finish it: let it be picked afresh

    def note(self, partial: PartialPiece[P]) -> None:
        """Keep `unasked` true after a change."""
        if partial.has_unrequested:
            self.unasked[partial.piece] = partial
        else:
            self.unasked.pop(partial.piece, None)

    def _give_up(self, partial: PartialPiece[P]) -> None:
        self.drop(partial)
        self.let_go(partial)
        self.reopen(partial.piece)

    def drop(self, partial: PartialPiece[P]) -> None:
        """It is begun no more: it is complete, or given up."""
        del self.partials[partial.piece]
        self.unasked.pop(partial.piece, None)
        self._bytes -= partial.length
