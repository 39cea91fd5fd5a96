"""Where all connections of a run receive: no task waits between a read and the end of what follows from it."""

from __future__ import annotations

import trio

from magnetite.wire.peer_wire import new_landing

LANDING = trio.lowlevel.RunVar[memoryview]("landing")


def landing() -> memoryview:
    """The run's own; what is in it is gone as soon as its reader waits for anything."""
    try:
        return LANDING.get()
    except LookupError:
        LANDING.set(new_landing())
        return LANDING.get()
