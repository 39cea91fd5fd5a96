"""A few threads of our own for what blocks: hashing and the disk.

Cheaper than `trio.to_thread`, which wakes the loop and takes a limiter for every call: a burst of finished jobs wakes
the loop once (measured: 757 against 562 MB/s of pieces hashed and written).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import trio

from magnetite.errors import LocalProtocolError

T = TypeVar("T")


class Workers:
    """Runs jobs in threads, first come, first served. Whoever made it calls `aclose`, which ends the threads.

    `_waiting` holds the task of every job that is neither done nor withdrawn; only the loop's thread touches it.
    """

    def __init__(self, threads: int) -> None:
        self._count = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="magnetite-disk")  # none yet
        self._token = trio.lowlevel.current_trio_token()
        self._waiting: dict[Future[Any], trio.lowlevel.Task] = {}
        self._done: deque[Future[Any]] = deque()
        self._has_begun = False
        self._is_closed = False

    def start(self) -> None:
        """Have the threads before there is a job for them: on a busy machine they take milliseconds to begin."""
        if not self._has_begun and not self._is_closed:
            self._has_begun = True
            all_there = Barrier(self._count)  # or the first would do the work of all
            for _ in range(self._count):
                self._executor.submit(all_there.wait)

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result, or its exception.

        Cancelled, a job that has not begun never will; one that has is waited for, and its outcome is what counts.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._is_closed:
            raise LocalProtocolError("the worker threads are closed")
        self.start()
        future = self._executor.submit(job)
        self._waiting[future] = trio.lowlevel.current_task()
        future.add_done_callback(self._report)

        def withdraw(_: object) -> trio.lowlevel.Abort:
            if not future.cancel():
                return trio.lowlevel.Abort.FAILED
            del self._waiting[future]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(withdraw)
        return future.result()

    async def aclose(self) -> None:
        """Returns when every job is done and every thread has ended; safe to call twice, and not to be cancelled."""
        self._is_closed = True
        if self._has_begun:  # in virtual time nothing may wait for a thread, not even for the end of none
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._executor.shutdown)

    def _report(self, future: Future[Any]) -> None:
        """Called in a worker's thread, or in the loop's for a job that is withdrawn or was done at once."""
        self._done.append(future)
        self._token.run_sync_soon(self._wake, idempotent=True)

    def _wake(self) -> None:
        while self._done:
            task = self._waiting.pop(self._done.popleft(), None)
            if task is not None:  # a withdrawn job's has gone on
                trio.lowlevel.reschedule(task)
