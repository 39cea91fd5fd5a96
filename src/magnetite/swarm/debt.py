"""What one peer has been asked for, and has not sent. Pure."""

from __future__ import annotations

from magnetite.swarm.block_set import BlockSet


class Debt:
    """`lapsed` blocks were released to others, but are taken if they still come. Invariant: no block is in both."""

    __slots__ = ("lapsed", "owed", "progress_at")

    def __init__(self, now: float) -> None:
        self.owed = BlockSet()
        self.lapsed = BlockSet()
        self.progress_at = now  # when the debt began or a block last came: activity of other kinds does not count

    def __len__(self) -> int:
        """Blocks, late ones included."""
        return len(self.owed) + len(self.lapsed)

    def due(self, piece: int) -> int:
        """The blocks of a piece that may come, as a mask."""
        return self.owed[piece] | self.lapsed[piece]

    def ask(self, piece: int, blocks: int, now: float) -> None:
        if not self.owed:
            self.progress_at = now
        self.owed.add(piece, blocks)
        if self.lapsed:
            self.lapsed.discard(piece, blocks)

    def pay(self, piece: int, blocks: int, now: float) -> None:
        """Blocks that were due came."""
        self.progress_at = now
        self.owed.discard(piece, blocks)
        if self.lapsed:
            self.lapsed.discard(piece, blocks)

    def lapse(self, piece: int, blocks: int) -> None:
        """Blocks that are owed are for others now."""
        self.lapsed.add(piece, self.owed.discard(piece, blocks))
