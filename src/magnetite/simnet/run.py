"""Run an async function in virtual time, the same way every time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import trio
from trio._core import _run as trio_run  # the only use of trio's private names; see `run`

from magnetite.simnet.clock import Stalled, VirtualClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(
    async_fn: Callable[[Unpack[Ts]], Awaitable[T]],
    *args: *Ts,
    seed: int = 0,
    clock: VirtualClock | None = None,
) -> T:
    """`trio.run` in virtual time: the same function, arguments and seed give the same run, in any process.

    trio shuffles the tasks that may run at one instant. Two private switches of its scheduler make it shuffle a list
    of known order with a seeded generator; both are put back as they were. Nothing real may be waited for inside:
    no threads, no sockets.

    Raises Stalled, after cancelling every task, when nothing can happen any more or the clock's limit is passed.
    """
    clock = clock or VirtualClock()
    sorted_before, chance_before = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # trio declares it Final
    trio_run._r.seed(seed)
    try:
        return trio.run(_until_stalled, clock, async_fn, args, clock=clock)
    finally:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = sorted_before  # type: ignore[misc]
        trio_run._r.setstate(chance_before)


async def _until_stalled(clock: VirtualClock, async_fn: Callable[[Unpack[Ts]], Awaitable[T]], args: tuple[*Ts]) -> T:
    stalls: list[Stalled] = []
    with trio.CancelScope() as scope:

        def on_stalled(stalled: Stalled) -> None:
            stalls.append(stalled)
            scope.cancel()

        clock.on_stalled = on_stalled
        try:
            result = await async_fn(*args)
        finally:
            clock.on_stalled = None
            if stalls:
                raise stalls[0]
    return result
