"""A piece being put together from blocks, perhaps of several peers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from magnetite.swarm.buffers import new_buffer
from magnetite.swarm.picker import lowest_bit
from magnetite.wire.messages import BLOCK_LENGTH, BlockRequest

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


class PartialPiece(Generic[P]):
    """One piece's buffer, and for each block whether it is unrequested, requested (from whom), or received.

    `only` is the one peer that may add to it, where earlier data of several peers had a wrong hash between them.
    """

    def __init__(
        self, piece: int, length: int, only: P | None = None, take_buffer: Callable[[int], memoryview] = new_buffer
    ) -> None:
        self.piece = piece
        self.length = length
        self.only = only
        self._take_buffer = take_buffer
        self._buffer: memoryview | None = None
        self._blocks = -(-length // BLOCK_LENGTH)
        self.senders: list[P | None] = [None] * self._blocks  # whose block is here, for each block
        self._unrequested = self._missing = (1 << self._blocks) - 1
        self._requesters: dict[int, tuple[P, ...]] = {}  # block -> who was asked

    @property
    def buffer(self) -> memoryview:
        """What is here of it. Only a piece that has a block has one: many are begun and given up again."""
        assert self._buffer is not None
        return self._buffer

    @property
    def contributors(self) -> dict[P, None]:
        """Who sent what is here of it."""
        return {sender: None for sender in self.senders if sender is not None}

    @property
    def is_complete(self) -> bool:
        return not self._missing

    @property
    def has_unrequested(self) -> bool:
        return self._unrequested != 0

    @property
    def is_abandoned(self) -> bool:
        """Nobody has been asked for any of what is missing."""
        return not self._requesters

    @property
    def received_blocks(self) -> int:
        return self._blocks - self._missing.bit_count()

    def request(self, peer: P, most: int) -> list[BlockRequest]:
        """Mark up to `most` unrequested blocks as asked of `peer`."""
        requests: list[BlockRequest] = []
        asked = (peer,)
        unrequested = self._unrequested
        while unrequested and len(requests) < most:
            block = lowest_bit(unrequested)
            unrequested &= unrequested - 1
            self._requesters[block] = asked
            requests.append(self._block_request(block))
        self._unrequested = unrequested
        return requests

    def request_again(self, peer: P, most: int, copies: int) -> Iterator[BlockRequest]:
        """Ask `peer` too for blocks that fewer than `copies` others owe us (endgame)."""
        for block, requesters in self._requesters.items():
            if most <= 0:
                return
            if len(requesters) < copies and peer not in requesters:
                self._requesters[block] = (*requesters, peer)
                most -= 1
                yield self._block_request(block)

    def release(self, peer: P, begin: int) -> None:
        """`peer` will not, or may not, send the block: anybody can be asked for it again."""
        block = begin // BLOCK_LENGTH
        requesters = self._requesters.get(block)
        if requesters is None or peer not in requesters:
            return
        others = tuple(other for other in requesters if other is not peer)
        if others:
            self._requesters[block] = others
        else:
            del self._requesters[block]
            self._unrequested |= 1 << block

    def receive(self, peer: P, begin: int, data: bytes | memoryview) -> tuple[P, ...] | None:
        """Store a block; who was asked for it, perhaps `peer` too. None where it is there already."""
        block = begin // BLOCK_LENGTH
        bit = 1 << block
        if not self._missing & bit:
            return None
        if self._buffer is None:
            self._buffer = self._take_buffer(self.length)
        self._buffer[begin : begin + len(data)] = data
        self._missing ^= bit
        self.senders[block] = peer
        requesters = self._requesters.pop(block, None)
        if requesters is None:  # released meanwhile, and come all the same
            self._unrequested &= ~bit
            return ()
        return requesters

    def give_up_buffer(self) -> memoryview | None:
        """What is here is not needed any more; the memory it was in."""
        buffer, self._buffer = self._buffer, None
        return buffer

    def _block_request(self, block: int) -> BlockRequest:
        begin = block * BLOCK_LENGTH
        left = self.length - begin
        return BlockRequest(self.piece, begin, left if left < BLOCK_LENGTH else BLOCK_LENGTH)
