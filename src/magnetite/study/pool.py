"""Runs on the cores of this machine, a process each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, TypeAlias

from magnetite.simnet import VirtualClock
from magnetite.study.performing import Result, failed, perform
from magnetite.study.points import Point
from magnetite.study.running import LIMIT
from magnetite.study.study import Source

LOOK: Final = 0.25  # seconds of real time between two looks at how far the runs are
DEATHS: Final = 3  # of workers, one after the other without any run that ends: then it is the runs that kill them

Task: TypeAlias = tuple[Point, Path | None]  # and the file for its events

_clocks: Any = None  # in a worker: the virtual time of each worker, shared with who waits for them
_place = -1  # in a worker: its own index there


def run_here(
    source: Source, tasks: Sequence[Task], workers: int, on_time: Callable[[float], object] | None = None
) -> Iterator[Result]:
    """The result of each task, in the order they end. `on_time` is told the virtual seconds of those under way.

    A worker that is killed takes nothing with it: what was not finished is run again, by others. Where three die and no
    run ends, what is left has failed.
    """
    left, deaths = dict(enumerate(tasks)), 0
    while left and deaths < DEATHS:
        deaths += 1
        try:
            with _pool(min(workers, len(left))) as (pool, clocks):
                with _deaf():
                    futures = {pool.submit(_perform, source, *task): number for number, task in left.items()}
                for future in _as_they_end(futures, clocks, on_time):
                    result = future.result()
                    del left[futures[future]]
                    deaths = 0
                    yield result
        except BrokenProcessPool:
            continue
    for point, _ in left.values():
        yield failed(source, point, f"the process was killed {DEATHS} times; is there too little memory?")


@contextmanager
def hash_seed(number: int) -> Iterator[None]:
    """Processes that begin within the block have this PYTHONHASHSEED."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


@contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    """New processes, that share nothing with this one but their clocks. None of them is left behind."""
    context = multiprocessing.get_context("spawn")
    clocks = context.Array("d", workers)
    places = context.SimpleQueue()
    for place in range(workers):
        places.put(place)
    pool = ProcessPoolExecutor(workers, context, _begin, (clocks, places))
    before = set(multiprocessing.active_children())
    try:
        yield pool, clocks
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
            child.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that begin within the block are not interrupted by Ctrl-C before they can say that it is not theirs."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _as_they_end(
    futures: dict[Future[Result], int], clocks: Any, on_time: Callable[[float], object] | None
) -> Iterator[Future[Result]]:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, LOOK, FIRST_COMPLETED)
        yield from sorted(done, key=futures.__getitem__)
        if on_time is not None:
            on_time(sum(clocks))


# -- in a worker -----------------------------------------------------------------------------------------------------


def _begin(clocks: Any, places: Any) -> None:
    global _clocks, _place
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the parent's; as _deaf says, it is blocked until here
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _clocks, _place = clocks, places.get()


def _perform(source: Source, point: Point, trace: Path | None) -> Result:
    clock = VirtualClock(limit=LIMIT)
    is_over = Event()
    watcher = Thread(target=_tell_time, args=(clock, is_over), daemon=True)
    watcher.start()
    try:
        return perform(source, point, trace, clock)
    finally:
        is_over.set()
        watcher.join()
        _clocks[_place] = 0.0


def _tell_time(clock: VirtualClock, is_over: Event) -> None:
    """It only looks: a run goes as it would without it."""
    while not is_over.wait(LOOK):
        _clocks[_place] = clock.now
