"""Threads that hash and write: every job is done once or never, and none of them outlives its owner."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from magnetite.errors import LocalProtocolError
from magnetite.storage.workers import Workers

pytestmark = pytest.mark.real_clock


@asynccontextmanager
async def open_workers(threads: int) -> AsyncIterator[Workers]:
    workers = Workers(threads)
    try:
        yield workers
    finally:
        await workers.aclose()


def disk_threads() -> int:
    return sum(thread.name.startswith("magnetite-disk") for thread in threading.enumerate())


async def test_a_job_gives_its_result_or_what_it_raised() -> None:
    async with open_workers(2) as workers:
        assert await workers.run(lambda: 6 * 7) == 42
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 // 0)
        assert await workers.run(threading.get_ident) != threading.get_ident()


async def test_jobs_of_many_tasks_each_give_their_own_result() -> None:
    results = {}
    async with open_workers(2) as workers, trio.open_nursery() as nursery:

        async def square(number: int) -> None:
            results[number] = await workers.run(lambda: number * number)

        for number in range(200):
            nursery.start_soon(square, number)
    assert results == {number: number * number for number in range(200)}


async def test_threads_begin_with_the_first_job_or_before_and_end_with_their_owner() -> None:
    async with open_workers(2) as workers:
        assert not disk_threads()
        workers.start()
        workers.start()
        assert disk_threads() == 2
        await workers.run(int)
        assert disk_threads() == 2
    assert not disk_threads()
    await workers.aclose()
    with pytest.raises(LocalProtocolError, match="closed"):
        await workers.run(int)


async def test_to_close_what_never_began_takes_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trio.to_thread, "run_sync")
    await Workers(2).aclose()


async def test_a_cancelled_job_that_has_not_begun_never_does() -> None:
    done = []
    gate = threading.Event()
    async with open_workers(1) as workers, trio.open_nursery() as nursery:
        nursery.start_soon(workers.run, gate.wait)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.01) as scope:
            await workers.run(lambda: done.append(1))
        assert scope.cancelled_caught
        gate.set()
        await workers.run(int)  # which is taken after the other would have been
    assert not done


async def test_a_cancelled_job_that_has_begun_is_waited_for() -> None:
    begun, gate, done = threading.Event(), threading.Event(), []

    def job() -> int:
        begun.set()
        gate.wait()
        done.append(1)
        return 7

    async with open_workers(1) as workers:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def cancel() -> None:
                    while not begun.is_set():  # noqa: ASYNC110  # set in a thread
                        await trio.sleep(0.001)
                    scope.cancel()
                    gate.set()

                nursery.start_soon(cancel)
                assert await workers.run(job) == 7
                assert done


async def test_closing_waits_for_the_jobs_that_were_given() -> None:
    done = []
    gate = threading.Event()
    workers = Workers(2)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(workers.run, lambda: (gate.wait(), done.append(1)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(trio.to_thread.run_sync, gate.set)
        await workers.aclose()
        assert len(done) == 20
