"""What a seed suggests to its peers, so that it sends each piece once before it sends one twice (BEP 6). Pure."""

from __future__ import annotations

from random import Random
from typing import Final

from magnetite.swarm.choker import SLOTS
from magnetite.swarm.company import Company
from magnetite.swarm.peer import Peer
from magnetite.swarm.picker import any_bit
from magnetite.swarm.pipeline import FIRST_DEPTH
from magnetite.torrent.piece_map import PieceMap
from magnetite.wire.messages import BLOCK_LENGTH, Suggest

AHEAD: Final = FIRST_DEPTH * BLOCK_LENGTH  # bytes suggested beyond what was asked for: as much is asked for at first
SHARES: Final = 2  # to each of those we serve at once, where that is less: the last to come are to have some, too
MOST: Final = 4096  # suggestions to one peer, which may count them as idle talk; of more pieces few are chosen twice


class Suggestions:
    """Each piece is suggested once, to one peer: "super-seeding without throughput reduction" (BEP 6, Suggest Piece).

    Peers that come at once take from their one seed what is rare, which at first is everything, and do not know of each
    other's choice: left alone eight of them take a small torrent from it nearly twice before they have one copy.

    Invariant: `_left` are the pieces that nobody was suggested. Whom we serve, unless there is nobody else, has before
    it `_ahead` bytes that it has not asked for, as long as there are any.
    """

    def __init__(self, company: Company, piece_map: PieceMap, everything: int, rng: Random) -> None:
        self._company = company
        self._map = piece_map
        self._left = everything
        self._ahead = min(AHEAD, everything.bit_count() * piece_map.piece_length // (SHARES * SLOTS))
        self._suggested: dict[Peer, int] = {}  # how many pieces
        self._rng = rng

    def welcome(self, peer: Peer) -> None:
        """A newcomer that is going to have a slot may ask before it has it, and so a round trip sooner (BEP 6, Allowed
        Fast). In a crowd those who have to wait for a slot would have all of our line otherwise.
        """
        if peer.wire.fast and len(self._company.peers) <= SLOTS:
            for piece in self._deal(peer, self._ahead):
                peer.grant_fast(piece, self._map.piece_length_of(piece))

    def suggest(self, peer: Peer) -> None:
        """The peer may ask, or has asked: suggest what it should ask for next."""
        if self._left and peer.wire.fast and not peer.am_choking and len(self._company.peers) > 1:
            asked = peer.uploaded.total + peer.outbox.queued_blocks * BLOCK_LENGTH
            self._deal(peer, asked + self._ahead)

    def _deal(self, peer: Peer, length: int) -> list[int]:
        """Suggest pieces until the peer was suggested so many bytes; the new ones."""
        dealt: list[int] = []
        count = self._suggested.get(peer, 0)
        while count < MOST and count * self._map.piece_length < length and (among := self._left & ~peer.pieces):
            piece = any_bit(among, self._rng)
            self._left ^= 1 << piece
            count += 1
            dealt.append(piece)
            peer.outbox.put(Suggest(piece))
        if dealt:
            self._suggested[peer] = count
        return dealt

    def on_gone(self, peer: Peer) -> None:
        self._suggested.pop(peer, None)
