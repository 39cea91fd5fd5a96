"""The blocks among the peers of one torrent: what is asked of whom, and what is done with what comes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from random import Random
from typing import Final

from magnetite.swarm.begun_pieces import MOST_SUGGESTIONS
from magnetite.swarm.buffers import Buffers, new_buffer
from magnetite.swarm.company import Company, ignore
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import Peer
from magnetite.swarm.picker import MakePicker, PickingOrder, PiecePicker
from magnetite.swarm.pipeline import share_of
from magnetite.swarm.requests import RequestBook
from magnetite.torrent import pieces
from magnetite.torrent.piece_map import PieceMap
from magnetite.wire.messages import BLOCK_LENGTH, Block, BlockRequest

REFUSAL_PAUSE: Final = 1.0  # seconds until a peer that has rejected a request is asked for the next
HURRYING: Final = 3  # peers that drop everything for a reader who jumps


class BlockTrade:
    """What we want of the peers, and ask of them.

    Invariant: `book` is None until `begin`. We are interested in a peer as long as it has something that is missing
    here and nothing is paused; of nobody else is anything asked. While `has_nothing`, everything is missing, though it
    is not known yet what: whoever has any piece may have unchoked us when it is.
    """

    def __init__(self, company: Company) -> None:
        self.book: RequestBook[Peer] | None = None
        self.has_nothing = False  # to be set while the metadata is fetched, where the content is wanted
        self.on_completed: Callable[[Sequence[PartialPiece[Peer]]], None] = ignore  # told what is to be committed
        self.make_picker: MakePicker = PiecePicker  # a study may have its own
        self.new_buffer: Callable[[int], memoryview] = new_buffer  # to put a piece together in: the storage's
        self.order = PickingOrder()
        self._company = company
        self._early_suggestions: dict[Peer, list[int]] = {}  # until there is a book; of each MOST_SUGGESTIONS
        self._map: PieceMap | None = None
        self._share = share_of(1)  # blocks to have on request from one peer, at most

    def begin(self, piece_map: PieceMap, wanted: int, have: int, rng: Random) -> RequestBook[Peer]:
        """From now on there are pieces to trade; `wanted` and `have` are masks of them."""
        self._map = piece_map
        self.book = RequestBook(piece_map, wanted, have, rng, self.make_picker)
        self.book.picker.order = self.order
        self.book.begun.buffers = Buffers(piece_map.piece_length, self.new_buffer)
        for peer, suggested in self._early_suggestions.items():
            for piece in suggested:
                if piece < piece_map.piece_count:
                    self.book.begun.on_suggest(peer, piece)
        self._early_suggestions.clear()
        return self.book

    # -- what peers have, and allow ----------------------------------------------------------------------------------

    def on_pieces(self, peer: Peer, new: int) -> None:
        """The peer has more pieces than we knew."""
        if self.book is not None:
            self.book.picker.availability.add(new)
            self.reconsider(peer)
        elif self.has_nothing and self._company.paused is None:
            peer.show_interest(True)

    def on_lost(self, peer: Peer, lost: int) -> None:
        """The peer has some pieces no more (BEP 54)."""
        if self.book is not None:
            self.book.picker.availability.remove(lost)
            if not peer.wire.fast:  # with BEP 6 every request dropped is rejected by name
                self.book.on_lost(peer, lost)
            self.reconsider(peer)

    def on_suggest(self, peer: Peer, piece: int) -> None:
        if self.book is not None:
            self.book.begun.on_suggest(peer, piece)
        elif len(early := self._early_suggestions.setdefault(peer, [])) < MOST_SUGGESTIONS:
            early.append(piece)

    def on_gone(self, peer: Peer) -> None:
        """The connection is over."""
        self._early_suggestions.pop(peer, None)
        if self.book is not None:
            self.book.on_gone(peer, peer.pieces)

    def on_choked(self, peer: Peer) -> None:
        if self.book is not None:
            self.book.lapse(peer)

    def on_unchoked(self, peer: Peer) -> None:
        self._divide()
        if self.book is not None and not peer.wire.fast:
            self.book.forgive(peer)  # what it dropped with its choke will not come any more

    def _divide(self) -> None:
        """What may be on request is shared by those that let us ask."""
        asked = sum(1 for peer in self._company.peers if peer.am_interested and not peer.peer_choking)
        self._share = share_of(asked)

    def reconsider(self, peer: Peer) -> None:
        """Say whether we are interested in it, where that has changed."""
        assert self.book is not None
        peer.show_interest(self._company.paused is None and bool(peer.pieces & self.book.missing))

    def reconsider_all(self, now: float) -> None:
        """Something else is missing now: who may have it is asked."""
        if self.book is not None:
            for peer in self._company.peers:
                self.reconsider(peer)
            self.fill_everybody(now)

    # -- what comes --------------------------------------------------------------------------------------------------

    def on_blocks(self, peer: Peer, blocks: Iterable[Block], now: float) -> None:
        """Copies the blocks out of the peer's receive buffer, where they are wanted; only what is earns it anything."""
        if self.book is None:
            return
        arrivals = self.book.on_blocks(peer, blocks, now)
        for block in arrivals.empty:
            self._on_empty_block(peer, block, now)
        if arrivals.blocks:
            peer.useful_messages += arrivals.blocks
            peer.downloaded.add(arrivals.length, now)
            peer.pipeline.on_blocks(arrivals.blocks, now)
        for other, request in arrivals.cancel:
            other.cancel(request)
        if arrivals.completed:
            self.on_completed(arrivals.completed)

    def _on_empty_block(self, peer: Peer, block: Block, now: float) -> None:
        """BitComet's way to reject a request."""
        if self._map is not None:
            length = min(BLOCK_LENGTH, self._map.piece_length_of(block.piece) - block.begin)
            self.on_reject(peer, BlockRequest(block.piece, block.begin, length), now)

    def on_reject(self, peer: Peer, request: BlockRequest, now: float) -> None:
        if request in peer.taken_back:  # the answer to our cancel, and no refusal, even if it was asked again since
            peer.taken_back -= {request}
            peer.useful_messages += 1
            return
        if self.book is not None and self.book.on_reject(peer, request):
            peer.useful_messages += 1
            if peer.peer_choking:
                peer.allowed_fast -= {request.piece}  # asked under a grant it does not keep
            else:
                peer.pipeline.on_snub()
                peer.refused_at = now

    # -- what is asked -----------------------------------------------------------------------------------------------

    def fill(self, peer: Peer, now: float) -> None:
        """Keep the peer's request pipeline as full as it should be."""
        if not peer.am_interested or (peer.peer_choking and not peer.allowed_fast):
            return
        if self.book is None or peer.closing or now - peer.refused_at < REFUSAL_PAUSE:
            return
        if self._company.paused is not None:
            return
        room = peer.pipeline.room(self.book.owed(peer), self._share)
        if room <= 0:
            return
        available = peer.pieces & pieces.of(peer.allowed_fast) if peer.peer_choking else peer.pieces
        peer.ask(self.book.next_requests(peer, available, room, now))

    def fill_everybody(self, now: float) -> None:
        """Something can be asked for that could not be before."""
        for peer in self._company.peers:
            self.fill(peer, now)

    def pick_by(self, order: PickingOrder) -> None:
        """From now on, or from when there are pieces to pick; those begun are finished first all the same."""
        self.order = order
        if self.book is not None:
            self.book.picker.order = order

    def set_deadlines(self, reader: Hashable, due: Mapping[int, float], now: float, jump: int | None = None) -> None:
        """Somebody reads, and needs these pieces, each at its time; what it needed before it does not need any more.

        `jump` is the piece it cannot go on without, where it was somewhere else before.
        """
        if self.book is not None:
            self.book.deadlines.set(reader, due)
            if jump is not None:
                self._hurry(jump, now)
            self.fill_everybody(now)

    def _hurry(self, piece: int, now: float) -> None:
        """A reader has jumped to a piece: the fastest who have it drop what they were asked for before."""
        if self.book is None or self._company.paused is not None or not self.book.begun.is_unasked(piece):
            return
        able = [peer for peer in self._company.peers if peer.pieces >> piece & 1 and peer.am_interested]
        able = [peer for peer in able if not peer.peer_choking and not peer.closing]
        able.sort(key=lambda peer: peer.downloaded.rate(now), reverse=True)
        due = self.book.deadlines.pieces
        for peer in able[:HURRYING]:
            peer.take_back(self.book.withdraw(peer))
            room = peer.pipeline.room(self.book.owed(peer), self._share)
            peer.ask(self.book.next_requests(peer, peer.pieces & due, room, now))

    def tend(self, now: float) -> None:
        """What time alone brings about: requests that lapse."""
        if self.book is not None:
            for peer in self._company.peers:
                if self.book.owed(peer):
                    peer.probe(now)
            for peer in self.book.lapse_stalled(now):
                peer.pipeline.on_snub()
            self._divide()
            self.fill_everybody(now)
