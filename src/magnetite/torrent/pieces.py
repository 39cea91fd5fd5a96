"""A set of pieces as one integer, piece 0 the lowest bit: whole-set questions are single operations. Pure.

With 100,000 pieces `a & ~b` takes about a microsecond, which is what rarest first, interest and availability are made
of. The wire has the pieces the other way round in every byte (BEP 3, bitfield).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def from_wire(bits: bytes) -> int:
    """The set in the payload of a bitfield message, whose first piece is the highest bit of the first byte."""
    return int.from_bytes(bits.translate(_REVERSED), "little")


def to_wire(pieces: int, count: int) -> bytes:
    """The payload of a bitfield message for `count` pieces; spare bits are zero."""
    return pieces.to_bytes((count + 7) // 8, "little").translate(_REVERSED)


def of(indices: Collection[int]) -> int:
    """The set of the pieces listed, in one pass: adding them one by one would copy the set for each."""
    bits = bytearray(max(indices, default=0) // 8 + 1)
    for piece in indices:
        bits[piece >> 3] |= 1 << (piece & 7)
    return int.from_bytes(bits, "little")


def everything(count: int) -> int:
    """The set of all of `count` pieces."""
    return (1 << count) - 1


def indices(pieces: int) -> Iterator[int]:
    """The pieces of the set, ascending."""
    for at, byte in enumerate(pieces.to_bytes((pieces.bit_length() + 7) // 8, "little")):
        while byte:
            lowest = byte & -byte
            yield 8 * at + lowest.bit_length() - 1
            byte ^= lowest
