"""Virtual time: a trio clock that owns the heap of coming events and jumps from one to the next.

trio asks its clock how long to sleep exactly when no task can run. That is the moment to deliver what comes next, so
the network needs no task of its own and time passes at the speed of the computation.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from heapq import heappop, heappush
from math import inf
from pathlib import Path
from typing import TypeAlias, TypeVarTuple, Unpack

import trio

from magnetite.errors import MagnetiteError

Ts = TypeVarTuple("Ts")
_Event: TypeAlias = "tuple[float, int, Callable[..., object], tuple[object, ...]]"

PATIENCE = 20  # looks at the real world, 5 ms each: trio's own shutdown wakes tasks through a real socket
LOOK = 0.005
CLEANING_UP = 3600.0  # seconds of virtual time that cancelled tasks may take before the run is torn down
NOBODY_KNOWS = (None,)  # outside of `simnet.run`, which tasks are runnable: some may be
TRIO = Path(trio.__file__).parent


class Stalled(MagnetiteError):
    """A simulation that cannot go on: every task waits for something that will never come, or time ran past its limit.

    The message names the tasks and the lines they wait on.
    """


class VirtualClock(trio.abc.Clock):
    """Seconds since the start of the simulation. Events and deadlines of one instant happen events first, in the order
    they were scheduled. `limit` is the instant no simulation should reach.

    `trio.testing.wait_all_tasks_blocked` has no meaning here, for time passes whenever all tasks are blocked: sleep for
    a short time instead.
    """

    def __init__(self, limit: float = inf) -> None:
        self.now = 0.0
        self.limit = limit
        self.on_failed: Callable[[Exception], None] | None = None  # told instead of raising inside trio's loop
        self.runnable: Sized = NOBODY_KNOWS  # the tasks that events have woken
        self.next_deadline: Callable[[], float] = never  # of trio's scopes; an event may bring one forward
        self._events: list[_Event] = []
        self._scheduled = 0
        self._looks = 0

    def at(self, time: float, deliver: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        """Call `deliver(*args)` at `time`, or as soon as all tasks wait if that has passed.

        What it raises ends the run.
        """
        self._scheduled += 1
        heappush(self._events, (time, self._scheduled, deliver, args))

    def start_clock(self) -> None:
        """Nothing to start: time stands until trio asks."""

    def current_time(self) -> float:
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to the next event or deadline; the real time to sleep is none. Called by trio when no task can run."""
        events = self._events
        upcoming = min(deadline, events[0][0]) if events else deadline
        if upcoming > self.limit or upcoming == inf:
            return self._look_for_real_events(upcoming)
        self._looks = 0
        runnable = self.runnable
        while True:
            if upcoming > self.now:
                self.now = upcoming
            while events and events[0][0] <= self.now:
                _, _, deliver, args = heappop(events)
                try:
                    deliver(*args)
                except Exception as error:  # noqa: BLE001  # it may be anybody's code
                    self._fail(error)
            # Many events wake nobody, as a packet that comes to the next line: to ask trio would take longer than they.
            if runnable or not events or events[0][0] > min(self.next_deadline(), self.limit):
                return 0
            upcoming = events[0][0]

    def _look_for_real_events(self, upcoming: float) -> float:
        """Give threads and signals, which a simulation should not have, a chance; then say that it is over."""
        self._looks += 1
        if self._looks <= PATIENCE:
            return LOOK
        self._looks = 0
        what = "nothing can happen any more" if upcoming == inf else f"time passed its limit of {self.limit:.0f} s"
        stalled = Stalled(f"{what}, at virtual time {self.now:.3f}; {_waiting_tasks()}")
        self._fail(stalled)
        self.limit = self.now + CLEANING_UP
        return 0

    def _fail(self, error: Exception) -> None:
        """Say that the run is over, or, if that has been said, that not even its end comes to an end."""
        if self.on_failed is None:
            raise error
        tell, self.on_failed = self.on_failed, None
        tell(error)


def never() -> float:
    return inf


def _waiting_tasks() -> str:
    """Every task of the run but trio's own, and the line it waits on."""
    tasks, lines = [trio.lowlevel.current_root_task()], []
    while tasks:
        task = tasks.pop()
        if task is not None:
            tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
            lines += [f"{task.name} at {place}" for place in _places(task)[-1:]]
    return "waiting:\n  " + "\n  ".join(sorted(lines))


def _places(task: trio.lowlevel.Task) -> list[str]:
    """The lines of a task's stack that are not trio's, outermost first."""
    frames = [(frame.f_code.co_filename, line) for frame, line in task.iter_await_frames()]
    return [f"{path}:{line}" for path, line in frames if TRIO not in Path(path).parents]
