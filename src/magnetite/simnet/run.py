"""Run an async function in virtual time, the same way every time."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, TypeVarTuple, Unpack

import trio
from trio._core import _run as trio_run  # the only use of trio's private names; see `run`

from magnetite.simnet.clock import NOBODY_KNOWS, VirtualClock, never

COLLECT_AFTER = (100_000, 10, 10)  # allocations, and so on; with the usual 700 a large world takes a third longer

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
    of known order with a seeded generator; both are put back as they were. A third private name leads to its queue
    of runnable tasks and to its deadlines: they tell the clock whether an event has woken anybody, and when it will.
    Nothing real may be waited for inside: no sockets, and what `trio.to_thread` is given is done at once, for nobody
    can repeat the instant at which a thread ends.

    Raises Stalled, after cancelling every task, when nothing can happen any more or the clock's limit is passed; and in
    the same way what an event raised that happened outside of all tasks.
    """
    clock = clock or VirtualClock()
    with _deterministic(seed), _seldom_collecting(), _without_threads():
        return trio.run(_until_stalled, clock, async_fn, args, clock=clock)


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    sorted_before, chance_before = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # trio declares it Final
    trio_run._r.seed(seed)
    try:
        yield
    finally:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = sorted_before  # type: ignore[misc]
        trio_run._r.setstate(chance_before)


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """A world is millions of objects that stay: looking through them for garbage as often as usual takes long."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _without_threads() -> Iterator[None]:
    before = trio.to_thread.run_sync
    trio.to_thread.run_sync = _done_at_once  # type: ignore[assignment]  # it has no use for the options of threads
    try:
        yield
    finally:
        trio.to_thread.run_sync = before


async def _done_at_once(work: Callable[[Unpack[Ts]], T], *args: *Ts, **_: object) -> T:
    await trio.lowlevel.checkpoint()
    return work(*args)


async def _until_stalled(clock: VirtualClock, async_fn: Callable[[Unpack[Ts]], Awaitable[T]], args: tuple[*Ts]) -> T:
    failures: list[Exception] = []
    with trio.CancelScope() as scope:

        def on_failed(error: Exception) -> None:
            failures.append(error)
            scope.cancel()

        clock.on_failed = on_failed
        runner = trio_run.GLOBAL_RUN_CONTEXT.runner
        clock.runnable, clock.next_deadline = runner.runq, runner.deadlines.next_deadline
        try:
            result = await async_fn(*args)
        finally:
            clock.on_failed = None
            clock.runnable, clock.next_deadline = NOBODY_KNOWS, never
            if failures:
                raise failures[0]
    return result
