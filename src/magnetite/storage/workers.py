"""A few threads of our own for what blocks: hashing and the disk.

Cheaper than `trio.to_thread`, which wakes the loop and takes a limiter for every call: a burst of finished jobs wakes
the loop once (measured: 757 against 562 MB/s of pieces hashed and written).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

import trio

from magnetite.errors import LocalProtocolError

T = TypeVar("T")


class _Job(Generic[T]):
    """Whoever gets `claim` first decides: a thread, which does the work, or its task, which withdraws it."""

    __slots__ = ("claim", "error", "result", "task", "work")

    def __init__(self, work: Callable[[], T], task: trio.lowlevel.Task) -> None:
        self.work = work
        self.task = task
        self.claim = Lock()
        self.result: T
        self.error: BaseException | None = None


class Workers:
    """Runs jobs in threads, first come, first served. Whoever made it calls `aclose`, which ends the threads.

    There are none until `start`, or the first job. `_done` is filled by them and emptied by the loop's thread.
    """

    def __init__(self, threads: int) -> None:
        self._count = threads
        self._threads: list[Thread] = []
        self._token = trio.lowlevel.current_trio_token()
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()  # None ends the thread that takes it
        self._done: deque[_Job[Any]] = deque()
        self._is_closed = False

    def start(self) -> None:
        """Have the threads before there is a job for them: on a busy machine they take milliseconds to begin."""
        while len(self._threads) < self._count and not self._is_closed:
            thread = Thread(target=self._work, name=f"magnetite-disk_{len(self._threads)}", daemon=True)
            thread.start()
            self._threads.append(thread)

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result, or its exception.

        Cancelled, a job that has not begun never will; one that has is waited for, and its outcome is what counts.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._is_closed:
            raise LocalProtocolError("the worker threads are closed")
        self.start()
        mine = _Job(job, trio.lowlevel.current_task())
        self._jobs.put(mine)

        def withdraw(_: object) -> trio.lowlevel.Abort:
            return trio.lowlevel.Abort.SUCCEEDED if mine.claim.acquire(blocking=False) else trio.lowlevel.Abort.FAILED

        await trio.lowlevel.wait_task_rescheduled(withdraw)
        if mine.error is not None:
            raise mine.error
        return mine.result

    async def aclose(self) -> None:
        """Returns when every job is done and every thread has ended; safe to call twice, and not to be cancelled."""
        if not self._is_closed:
            self._is_closed = True
            for _ in self._threads:
                self._jobs.put(None)
        with trio.CancelScope(shield=True):
            if any(thread.is_alive() for thread in self._threads):
                await trio.to_thread.run_sync(self._join)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        """What each thread does."""
        while (job := self._jobs.get()) is not None:
            if job.claim.acquire(blocking=False):
                try:
                    job.result = job.work()
                except BaseException as error:  # noqa: BLE001  # raised again in the task that waits for it
                    job.error = error
                self._done.append(job)
                self._token.run_sync_soon(self._wake, idempotent=True)

    def _wake(self) -> None:
        while self._done:
            trio.lowlevel.reschedule(self._done.popleft().task)
