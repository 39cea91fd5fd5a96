"""The way this suite runs async tests, which all others count on."""

from __future__ import annotations

from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from magnetite.endpoint import Endpoint
from magnetite.simnet import Fabric, Stalled, VirtualClock
from tests import conftest


async def test_async_tests_run_in_virtual_time() -> None:
    assert isinstance(trio.lowlevel.current_clock(), VirtualClock)
    await trio.sleep(10_000)


async def test_the_fixtures_are_of_this_run(clock: VirtualClock, fabric: Fabric, rng: Random) -> None:
    assert trio.lowlevel.current_clock() is clock is fabric.clock
    assert rng.random() == Random(0).random(), "seeded, and nobody else draws from it"


@pytest.mark.parametrize("number", [1, 2])
async def test_parameters_reach_async_tests(number: int) -> None:
    assert number in (1, 2)


@pytest.mark.real_clock
async def test_marked_tests_run_in_real_time() -> None:
    assert not isinstance(trio.lowlevel.current_clock(), VirtualClock)


@given(st.integers(0, 100))
async def test_hypothesis_runs_each_example_in_a_time_of_its_own(delay: int) -> None:
    assert trio.current_time() == 0
    await trio.sleep(delay)
    assert trio.current_time() == delay


def test_a_failure_in_an_async_test_is_a_failure() -> None:
    async def failing() -> None:
        await trio.sleep(1)
        pytest.fail("on purpose")

    with pytest.raises(pytest.fail.Exception, match="on purpose"):
        conftest.in_virtual_time(failing, None)


def test_a_test_that_runs_for_more_than_a_virtual_day_fails() -> None:
    async def endless() -> None:
        while True:  # noqa: ASYNC110  # a loop without an end is what is tested
            await trio.sleep(60)

    with pytest.raises(Stalled, match="limit of 86400 s"):
        conftest.in_virtual_time(endless, None)


def test_a_test_in_real_time_that_hangs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "REAL_LIMIT", 0.01)
    with pytest.raises(trio.TooSlowError):
        conftest.in_real_time(trio.sleep_forever, None)


async def test_each_test_has_a_network_of_its_own(fabric: Fabric) -> None:
    await fabric.host("10.0.0.1").open_udp(Endpoint("10.0.0.1", 6881))


async def test_and_so_has_the_next(fabric: Fabric) -> None:
    await fabric.host("10.0.0.1").open_udp(Endpoint("10.0.0.1", 6881))
