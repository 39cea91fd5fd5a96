"""Blocks of several pieces as a mask a piece: what comes in runs is booked at once, not block by block. Pure."""

from __future__ import annotations

from collections.abc import ItemsView

from magnetite.swarm.picker import lowest_bit
from magnetite.torrent.pieces import indices
from magnetite.wire.messages import BLOCK_LENGTH, BlockRequest

_new = tuple.__new__  # the constructor of a named tuple is Python, and takes three times as long


class BlockSet:
    """A set of blocks. Bit n of a piece's mask is its block n, from byte n * BLOCK_LENGTH on.

    Invariant: no mask is 0; the length is the number of blocks.
    """

    __slots__ = ("_length", "_masks")

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, piece: int) -> int:
        """The mask of the piece, 0 where there is none."""
        return self._masks.get(piece, 0)

    def items(self) -> ItemsView[int, int]:
        """Pieces and their masks; not to be changed meanwhile."""
        return self._masks.items()

    def add(self, piece: int, mask: int) -> None:
        before = self._masks.get(piece, 0)
        after = before | mask
        if after != before:
            self._masks[piece] = after
            self._length += (after ^ before).bit_count()

    def discard(self, piece: int, mask: int) -> int:
        """Take blocks out; those that were in."""
        before = self._masks.get(piece, 0)
        taken = before & mask
        if taken:
            self._length -= taken.bit_count()
            if taken == before:
                del self._masks[piece]
            else:
                self._masks[piece] = before ^ taken
        return taken

    def clear(self) -> None:
        self._masks.clear()
        self._length = 0


def mask_of(request: BlockRequest, piece_length: int) -> int:
    """The one block that the request is for, in a piece of so many bytes; 0 where it is for something else."""
    block, odd = divmod(request.begin, BLOCK_LENGTH)
    if odd or not 0 < request.length == min(BLOCK_LENGTH, piece_length - request.begin):
        return 0
    return 1 << block


def requests_for(piece: int, mask: int, piece_length: int) -> list[BlockRequest]:
    """A request for each block of the mask, ascending, in a piece of so many bytes."""
    first, end = lowest_bit(mask), mask.bit_length()
    blocks = range(first, end) if mask.bit_count() == end - first else indices(mask)  # nearly always a run
    requests = [_new(BlockRequest, (piece, block * BLOCK_LENGTH, BLOCK_LENGTH)) for block in blocks]
    if requests and (excess := requests[-1].begin + BLOCK_LENGTH - piece_length) > 0:
        requests[-1] = requests[-1]._replace(length=BLOCK_LENGTH - excess)
    return requests


def lowest(mask: int, most: int) -> int:
    """The first blocks of the mask, up to `most` of them."""
    if mask.bit_count() <= most:
        return mask
    chosen = 0
    while most > 0:
        part = mask & ((1 << most) - 1) << lowest_bit(mask)
        chosen |= part
        mask ^= part
        most -= part.bit_count()
    return chosen
