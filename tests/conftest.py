"""How async tests run: in virtual time, the same way every time, unless they are marked `real_clock`.

An async test may use the fixtures `clock`, `fabric` and `rng`, and any other synchronous one. It fails when virtual
time passes a day, or, with `real_clock`, when 20 seconds have passed. `@given` works on async tests, too; such a test
builds its own `Fabric(VirtualClock(), ...)` from within `simnet.run` where every example needs a fresh one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from random import Random

import pytest
import trio

from magnetite import simnet

VIRTUAL_LIMIT = 86_400  # seconds
REAL_LIMIT = 20  # seconds


@pytest.fixture
def rng() -> Random:
    return Random(0)


@pytest.fixture
def clock() -> simnet.VirtualClock:
    """The clock the test runs under."""
    return simnet.VirtualClock(limit=VIRTUAL_LIMIT)


@pytest.fixture
def fabric(clock: simnet.VirtualClock) -> simnet.Fabric:
    """An empty network: 20 ms one way, no faults."""
    return simnet.Fabric(clock, Random(0))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Make a synchronous function of an async test, before pytest calls it."""
    inner = getattr(pyfuncitem.obj, "hypothesis", None)
    if inner is not None and iscoroutinefunction(inner.inner_test):
        inner.inner_test = _synchronous(pyfuncitem, inner.inner_test)
    elif iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = _synchronous(pyfuncitem, pyfuncitem.obj)


def _synchronous(item: pytest.Function, test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    run = in_real_time if item.get_closest_marker("real_clock") else in_virtual_time

    @wraps(test)
    def call(*args: object, **fixtures: object) -> None:
        clock = item.funcargs.get("clock")
        run(partial(test, *args, **fixtures), clock)

    return call


def in_virtual_time(test: Callable[[], Awaitable[None]], clock: simnet.VirtualClock | None) -> None:
    simnet.run(test, clock=clock or simnet.VirtualClock(limit=VIRTUAL_LIMIT))


def in_real_time(test: Callable[[], Awaitable[None]], clock: simnet.VirtualClock | None) -> None:
    async def guarded() -> None:
        with trio.fail_after(REAL_LIMIT):
            await test()

    trio.run(guarded)
