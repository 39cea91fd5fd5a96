"""Tasks beside a block of code that somebody else writes, and beside each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def background() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks end with the block. What the block raises comes out as it is, not in an exception group.

    Whoever writes `async with open_client() as client: ...` has no reason to know of our tasks, and catches the errors
    of the calls in it by their types. Only where one of our tasks crashes is there a group: that is a bug.
    """
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            except Exception as error:  # noqa: BLE001  # raised again below, outside of the nursery
                failure = error
            finally:
                nursery.cancel_scope.cancel()
    except* trio.Cancelled:
        if failure is None:  # else what the block raised when it was cancelled is why it ended
            raise
    if failure is not None:
        raise failure


async def first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Wait for whichever comes first, and leave the others."""
    async with trio.open_nursery() as nursery:

        async def wait(until: Callable[[], Awaitable[object]]) -> None:
            await until()
            nursery.cancel_scope.cancel()

        for each in waits:
            nursery.start_soon(wait, each)
