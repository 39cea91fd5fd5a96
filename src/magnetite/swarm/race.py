"""Several attempts to reach one address, staggered; the first that succeeds ends the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from magnetite.errors import NetworkError
from magnetite.net.base import ByteStream

Attempt: TypeAlias = Callable[[], Awaitable[ByteStream]]


async def race(attempts: Sequence[Attempt], stagger: float) -> tuple[int, ByteStream]:
    """The index of the attempt that came first, and its stream; no other stream is left open.

    Each has `stagger` seconds before the next begins beside it, which is at once where it fails. Raises the
    NetworkError of the first attempt where all fail.
    """
    arrived: list[tuple[int, ByteStream]] = []
    failures: dict[int, NetworkError] = {}
    try:
        async with trio.open_nursery() as nursery:

            async def run(index: int, failed: trio.Event) -> None:
                try:
                    stream = await attempts[index]()
                except NetworkError as error:
                    failures[index] = error
                    failed.set()
                else:
                    arrived.append((index, stream))
                    nursery.cancel_scope.cancel()

            for index in range(len(attempts)):
                failed = trio.Event()
                nursery.start_soon(run, index, failed)
                with trio.move_on_after(stagger):
                    await failed.wait()
    except BaseException:
        await _close(arrived)
        raise
    if not arrived:
        raise failures[0]
    await _close(arrived[1:])
    return arrived[0]


async def _close(arrived: Sequence[tuple[int, ByteStream]]) -> None:
    for _, stream in arrived:
        await stream.aclose()
