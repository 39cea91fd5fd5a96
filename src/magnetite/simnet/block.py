"""What a stream puts on a line at once: bytes by reference, in as many parts as they came. Pure."""

from __future__ import annotations

from typing import TypeAlias

from magnetite.net.base import Buffer

Part: TypeAlias = bytes | memoryview
Block: TypeAlias = list[Part]

END: Block = []  # the block that ends a stream


def kept(buffer: Buffer) -> Part:
    """`buffer` as it is now: a copy, but of what nobody can change."""
    if type(buffer) is bytes:
        return buffer
    if isinstance(buffer, memoryview) and isinstance(buffer.obj, bytes) and buffer.contiguous:
        return buffer.cast("B")
    return bytes(buffer)


def as_bytes(block: Block) -> bytes:
    return b"".join(block)
