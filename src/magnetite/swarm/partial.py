"""A piece being put together from blocks, perhaps of several peers. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from magnetite.swarm.picker import lowest_bit
from magnetite.wire.messages import BLOCK_LENGTH, BlockRequest

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


class PartialPiece(Generic[P]):
    """One piece's buffer, and for each block whether it is unrequested, requested (from whom), or received.

    `only` is the one peer that may add to it, where earlier data of several peers had a wrong hash between them.
    """

    def __init__(self, piece: int, length: int, only: P | None = None) -> None:
        self.piece = piece
        self.length = length
        self.only = only
        self.contributors: dict[P, None] = {}  # in order of their first block
        self._buffer: bytearray | None = None
        self._blocks = -(-length // BLOCK_LENGTH)
        self._unrequested = (1 << self._blocks) - 1
        self._received = 0
        self._requesters: dict[int, list[P]] = {}  # block -> who was asked

    @property
    def buffer(self) -> bytearray:
        if self._buffer is None:  # not before a block is there: many pieces are begun and given up again
            self._buffer = bytearray(self.length)
        return self._buffer

    @property
    def is_complete(self) -> bool:
        return self._received == (1 << self._blocks) - 1

    @property
    def has_unrequested(self) -> bool:
        return self._unrequested != 0

    @property
    def is_abandoned(self) -> bool:
        """Nobody has been asked for any of what is missing."""
        return not self._requesters

    @property
    def received_blocks(self) -> int:
        return self._received.bit_count()

    def request(self, peer: P, most: int) -> Iterator[BlockRequest]:
        """Mark up to `most` unrequested blocks as asked of `peer`."""
        while self._unrequested and most > 0:
            block = lowest_bit(self._unrequested)
            self._unrequested &= self._unrequested - 1
            self._requesters[block] = [peer]
            most -= 1
            yield self._block_request(block)

    def request_again(self, peer: P, most: int, copies: int) -> Iterator[BlockRequest]:
        """Ask `peer` too for blocks that fewer than `copies` others owe us (endgame)."""
        for block, requesters in self._requesters.items():
            if most <= 0:
                return
            if len(requesters) < copies and peer not in requesters:
                requesters.append(peer)
                most -= 1
                yield self._block_request(block)

    def release(self, peer: P, begin: int) -> None:
        """`peer` will not, or may not, send the block: anybody can be asked for it again."""
        block = begin // BLOCK_LENGTH
        requesters = self._requesters.get(block)
        if requesters is None or peer not in requesters:
            return
        requesters.remove(peer)
        if not requesters:
            del self._requesters[block]
            self._unrequested |= 1 << block

    def receive(self, peer: P, begin: int, data: bytes | memoryview) -> list[P] | None:
        """Store a block; who else was asked for it. None where it is there already."""
        block = begin // BLOCK_LENGTH
        if self._received >> block & 1:
            return None
        self.buffer[begin : begin + len(data)] = data
        self._received |= 1 << block
        self._unrequested &= ~(1 << block)
        self.contributors[peer] = None
        return [other for other in self._requesters.pop(block, ()) if other is not peer]

    def _block_request(self, block: int) -> BlockRequest:
        begin = block * BLOCK_LENGTH
        return BlockRequest(self.piece, begin, min(BLOCK_LENGTH, self.length - begin))
