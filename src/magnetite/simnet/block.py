"""What a stream puts on a line at once: bytes by reference, in as many parts as they came. Pure."""

from __future__ import annotations

from typing import TypeAlias

from magnetite.net.base import Buffer

Block: TypeAlias = list[memoryview]

END: Block = []  # the block that ends a stream


def kept(buffer: Buffer) -> memoryview:
    """`buffer` as it is now: a copy, but of what nobody can change."""
    owner = buffer.obj if isinstance(buffer, memoryview) and buffer.contiguous else buffer
    return memoryview(buffer if isinstance(owner, bytes) else bytes(buffer)).cast("B")


def as_bytes(block: Block) -> bytes:
    return b"".join(block)
