"""A task that waits to be woken: the one that reads a socket, or writes to it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import trio


class Sleeper:
    """At most one task at a time; `trio.lowlevel.ParkingLot`, which keeps many in order, takes twice as long.

    It takes a third of the memory of a `trio.Event` that is waited for, too: of connections there are tens of thousands
    in a simulation.
    """

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    def sleep(self) -> Awaitable[Any]:
        """Until `wake`; to be awaited at once. Raises trio.BusyResourceError, as the real sockets do, if another task
        sleeps here.
        """
        if self._task is not None:
            raise trio.BusyResourceError("another task is receiving here already")
        self._task = trio.lowlevel.current_task()
        return trio.lowlevel.wait_task_rescheduled(self._give_up)  # noqa: ASYNC105  # by the caller

    def wake(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
