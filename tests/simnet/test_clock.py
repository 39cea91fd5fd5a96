"""Virtual time."""

from __future__ import annotations

import re
import threading

import pytest
import trio

from magnetite import simnet
from magnetite.simnet import Stalled, VirtualClock


async def test_sleeping_takes_virtual_time_only(clock: VirtualClock) -> None:
    await trio.sleep(3600)
    assert trio.current_time() == clock.now == 3600


async def test_events_happen_at_their_time_in_the_order_they_were_scheduled(clock: VirtualClock) -> None:
    seen: list[tuple[float, str]] = []

    def note(name: str) -> None:
        seen.append((clock.now, name))

    clock.at(2, note, "later")
    clock.at(1, note, "first")
    clock.at(1, note, "second")
    clock.at(-5, note, "overdue")
    await trio.sleep(10)
    assert seen == [(0, "overdue"), (1, "first"), (1, "second"), (2, "later")]


async def test_an_event_at_the_instant_of_a_deadline_comes_first(clock: VirtualClock) -> None:
    happened = trio.Event()
    clock.at(5, happened.set)
    with trio.move_on_after(5):
        await happened.wait()
        return
    assert happened.is_set()


async def test_an_event_may_schedule_another_for_the_same_instant(clock: VirtualClock) -> None:
    done = trio.Event()
    clock.at(1, clock.at, 1, done.set)
    await done.wait()
    assert clock.now == 1


async def wait_for_nothing() -> None:
    await trio.Event().wait()


async def test_an_event_may_bring_a_deadline_forward(clock: VirtualClock) -> None:
    with trio.move_on_after(10) as scope:

        def hurry() -> None:
            scope.deadline = 2

        clock.at(1, hurry)
        clock.at(5, int)
        await trio.sleep_forever()
    assert trio.current_time() == 2


def test_waiting_for_what_never_comes_names_the_task_and_its_line() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_nothing)

    with pytest.raises(Stalled) as stalled:
        simnet.run(main)
    task = r"test_clock\.wait_for_nothing at \S*test_clock\.py:\d+"
    assert re.search(task, str(stalled.value))
    assert "run_sync_soon" not in str(stalled.value), "trio's own tasks always wait, and say nothing"


def test_a_stalled_run_cancels_its_tasks_and_lets_them_clean_up() -> None:
    steps = []

    async def main() -> None:
        try:
            await wait_for_nothing()
        finally:
            steps.append("cancelled")
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            steps.append("cleaned up")

    with pytest.raises(Stalled, match="nothing can happen"):
        simnet.run(main)
    assert steps == ["cancelled", "cleaned up"]


def test_a_stalled_run_says_so_even_if_cleaning_up_fails() -> None:
    async def main() -> None:
        try:
            await wait_for_nothing()
        finally:
            raise ValueError("another fault")

    with pytest.raises(Stalled):
        simnet.run(main)


def test_a_run_that_passes_the_limit_of_its_clock_is_ended() -> None:
    with pytest.raises(Stalled, match="limit of 100 s"):
        simnet.run(trio.sleep, 101, clock=VirtualClock(limit=100))
    simnet.run(trio.sleep, 99, clock=VirtualClock(limit=100))


def test_a_wake_from_outside_is_waited_for_and_is_no_stall() -> None:
    async def main() -> None:
        woken = trio.Event()
        token = trio.lowlevel.current_trio_token()
        thread = threading.Thread(target=token.run_sync_soon, args=(woken.set,))
        thread.start()
        await woken.wait()
        thread.join()

    simnet.run(main)
