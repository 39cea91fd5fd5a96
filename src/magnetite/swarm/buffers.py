"""The memory that pieces are put together in, used again and again. Pure.

A new buffer of a mebibyte is mapped, cleared and unmapped by the kernel, a page at a time: a tenth of the time that a
fast download takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

KEPT: Final = 32 << 20  # bytes kept for the next pieces; one buffer is always kept


def new_buffer(length: int) -> memoryview:
    """A view, since slices of a bytearray itself are assigned by two copies."""
    return memoryview(bytearray(length))


class Buffers:
    """Hands out a buffer for each piece. Invariant: a buffer is with one piece, or here, or forgotten."""

    def __init__(self, length: int, new_buffer: Callable[[int], memoryview] = new_buffer) -> None:
        self._length = length  # bytes of all pieces but, perhaps, the last
        self._new_buffer = new_buffer
        self._spare: list[memoryview] = []

    def take(self, length: int) -> memoryview:
        """`length` bytes of whatever content."""
        if length == self._length and self._spare:
            return self._spare.pop()
        return self._new_buffer(length)

    def give_back(self, buffer: memoryview) -> None:
        """Nobody reads or writes it any more."""
        if len(buffer) == self._length and (not self._spare or (len(self._spare) + 1) * self._length <= KEPT):
            self._spare.append(buffer)

    def forget_spares(self) -> None:
        """There is no next piece for the time being."""
        self._spare.clear()
