"""Buffers to their places in a file, those that lie side by side by one call of the system. Blocks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Final

GATHER: Final = os.sysconf("SC_IOV_MAX")  # most buffers one pwritev takes; 1024 on Linux


def write_parts(descriptor: int, parts: Iterable[tuple[int, memoryview]]) -> None:
    """Write each buffer at its offset, all of it. Raises OSError, when some may have been written."""
    for offset, buffers in _runs(sorted(parts, key=itemgetter(0))):
        _write_run(descriptor, buffers, offset)


def _runs(parts: Iterable[tuple[int, memoryview]]) -> Iterator[tuple[int, list[memoryview]]]:
    """The offset and the buffers of each run, of parts in order."""
    run: list[memoryview] = []
    begin = end = 0
    for offset, buffer in parts:
        if run and (offset != end or len(run) == GATHER):
            yield begin, run
            run = []
        if not run:
            begin = offset
        run.append(buffer)
        end = offset + len(buffer)
    if run:
        yield begin, run


def _write_run(descriptor: int, buffers: list[memoryview], offset: int) -> None:
    while buffers:
        written = os.pwritev(descriptor, buffers, offset)
        offset += written
        buffers = _left(buffers, written)


def _left(buffers: list[memoryview], written: int) -> list[memoryview]:
    for number, buffer in enumerate(buffers):
        if written < len(buffer):
            return [buffer[written:], *buffers[number + 1 :]]
        written -= len(buffer)
    return []
