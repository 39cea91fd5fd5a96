"""Which of the wanted files the user would like to have early, and which late. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from magnetite.swarm.picker import PickingOrder
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.selection import FileSelection


@dataclass(frozen=True, slots=True)
class Preference:
    """Files of high and of low priority, None for none; all others are normal. What is not wanted is skipped anyhow."""

    high: FileSelection | None = None
    low: FileSelection | None = None
    is_sequential: bool = False  # from the first piece to the last, not the rarest first

    def order_for(self, metainfo: Metainfo) -> PickingOrder:
        """As pieces of a torrent: one of several files has the highest priority of theirs.

        Raises LocalProtocolError if a selection selects nothing.
        """
        piece_map = PieceMap(metainfo)
        high = self.high.indices(metainfo) if self.high else frozenset()
        low = self.low.indices(metainfo) if self.low else frozenset()
        low_pieces = 0
        if low:
            others = (file for file in range(len(metainfo.files)) if file not in low)
            low_pieces = piece_map.pieces_of(low) & ~piece_map.pieces_of(others)
        return PickingOrder(piece_map.pieces_of(high), low_pieces, self.is_sequential)
