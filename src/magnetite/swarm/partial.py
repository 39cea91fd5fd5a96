"""A piece being put together from blocks, perhaps of several peers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable
from typing import Generic, TypeVar

from magnetite.swarm.block_set import lowest, requests_for
from magnetite.swarm.buffers import new_buffer
from magnetite.torrent.pieces import indices
from magnetite.wire.messages import BLOCK_LENGTH, BlockRequest

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


class PartialPiece(Generic[P]):
    """One piece's buffer, and for each block whether it is unrequested, requested (from whom), or received.

    Blocks are masks, block 0 the lowest bit. `only` is the one peer that may add to the piece, where earlier data of
    several peers had a wrong hash between them.
    Invariant: a missing block is unrequested, or somebody was asked for it; of one that is here nobody was asked.
    """

    __slots__ = (
        "_asked",
        "_blocks",
        "_buffer",
        "_missing",
        "_take_buffer",
        "_unrequested",
        "length",
        "only",
        "piece",
        "sent",
    )

    def __init__(
        self, piece: int, length: int, only: P | None = None, take_buffer: Callable[[int], memoryview] = new_buffer
    ) -> None:
        self.piece = piece
        self.length = length
        self.only = only
        self.sent: dict[P, int] = {}  # who sent which of the blocks that are here
        self._take_buffer = take_buffer
        self._buffer: memoryview | None = None
        self._blocks = -(-length // BLOCK_LENGTH)
        self._unrequested = self._missing = (1 << self._blocks) - 1
        self._asked: dict[P, int] = {}  # who was asked for which of the missing blocks

    @property
    def buffer(self) -> memoryview:
        """Where it is put together. Only a piece that has a block has one: many are begun and given up again."""
        if self._buffer is None:
            self._buffer = self._take_buffer(self.length)
        return self._buffer

    @property
    def senders(self) -> list[P]:
        """Who sent each block of a complete piece, in order."""
        by_block = {block: peer for peer, blocks in self.sent.items() for block in indices(blocks)}
        return [by_block[block] for block in range(self._blocks)]

    @property
    def missing(self) -> int:
        return self._missing

    @property
    def is_complete(self) -> bool:
        return not self._missing

    @property
    def has_unrequested(self) -> bool:
        return self._unrequested != 0

    @property
    def is_abandoned(self) -> bool:
        """Nobody has been asked for any of what is missing."""
        return not self._asked

    @property
    def received_blocks(self) -> int:
        return self._blocks - self._missing.bit_count()

    def requests(self, blocks: int) -> list[BlockRequest]:
        """What to ask a peer for the blocks of a mask."""
        return requests_for(self.piece, blocks, self.length)

    def request(self, peer: P, most: int) -> int:
        """Mark up to `most` unrequested blocks as asked of `peer`."""
        chosen = lowest(self._unrequested, most)
        if chosen:
            self._unrequested ^= chosen
            self._asked[peer] = self._asked.get(peer, 0) | chosen
        return chosen

    def request_again(self, peer: P, most: int, copies: int, slow: Container[P] = ()) -> int:
        """Ask `peer` too for blocks that fewer than `copies` others owe us (endgame), the `slow` ones not counted."""
        owed, owed_by = 0, [0] * copies  # blocks that anybody owes us; that one peer at least does, two at least, ...
        for other, blocks in self._asked.items():
            owed |= blocks
            for level in range(copies if other not in slow else 0):
                blocks, owed_by[level] = blocks & owed_by[level], blocks | owed_by[level]
        chosen = lowest(owed & ~owed_by[-1] & ~self._asked.get(peer, 0), max(0, most))
        if chosen:
            self._asked[peer] = self._asked.get(peer, 0) | chosen
        return chosen

    def release(self, peer: P, blocks: int) -> None:
        """`peer` will not, or may not, send the blocks: anybody can be asked for them again."""
        freed = self._forget(peer, blocks)
        for others in self._asked.values():
            freed &= ~others
        self._unrequested |= freed

    def take(self, peer: P, blocks: int) -> list[tuple[P, int]]:
        """Blocks of `peer`, which were missing, are in the buffer now; who else was asked for which of them."""
        self._missing ^= blocks
        self._unrequested &= ~blocks  # they may have been released meanwhile
        self.sent[peer] = self.sent.get(peer, 0) | blocks
        self._forget(peer, blocks)
        if not self._asked:
            return []
        doubled = [(other, asked & blocks) for other, asked in self._asked.items() if asked & blocks]
        for other, asked in doubled:
            self._forget(other, asked)
        return doubled

    def give_up_buffer(self) -> memoryview | None:
        """What is here is not needed any more; the memory it was in."""
        buffer, self._buffer = self._buffer, None
        return buffer

    def _forget(self, peer: P, blocks: int) -> int:
        """The peer does not owe us the blocks any more; those it did."""
        asked = self._asked.get(peer, 0)
        if left := asked & ~blocks:
            self._asked[peer] = left
        elif asked:
            del self._asked[peer]
        return asked & blocks
