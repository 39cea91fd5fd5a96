"""Of several attempts the first to arrive stays, whatever becomes of the others, and no stream is left open."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import permutations

import pytest
import trio

from magnetite.errors import NetworkError, Reason
from magnetite.swarm.race import race


class Stream:
    """Only its end is of interest."""

    def __init__(self) -> None:
        self.closed = False

    async def aclose(self) -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()
        self.closed = True


class Attempts:
    """Each takes its time, and then arrives, or fails where that is None."""

    def __init__(self, *plans: tuple[float, bool]) -> None:
        self.streams = [Stream() for _ in plans]
        self.began: dict[int, float] = {}
        self.cancelled: list[int] = []
        self.calls: list[Callable] = [partial(self._try, index, *plan) for index, plan in enumerate(plans)]
        self._start = trio.current_time()

    async def _try(self, index: int, after: float, arrives: bool) -> Stream:
        self.began[index] = trio.current_time() - self._start
        try:
            await trio.sleep(after)
        except trio.Cancelled:
            self.cancelled.append(index)
            raise
        if not arrives:
            raise NetworkError(reason=(Reason.REFUSED, Reason.UNREACHABLE)[index])
        return self.streams[index]


async def test_the_second_is_not_even_begun_where_the_first_is_quick() -> None:
    attempts = Attempts((0.1, True), (0.1, True))
    assert await race(attempts.calls, 0.25) == (0, attempts.streams[0])
    assert attempts.began == {0: 0}


async def test_a_slow_first_is_overtaken_and_cancelled() -> None:
    attempts = Attempts((5, True), (0.1, True))
    assert (await race(attempts.calls, 0.25))[0] == 1
    assert attempts.began[1] == pytest.approx(0.25)
    assert attempts.cancelled == [0]


async def test_a_slow_first_may_still_win() -> None:
    attempts = Attempts((1, True), (5, True))
    assert (await race(attempts.calls, 0.25))[0] == 0
    assert attempts.cancelled == [1]


async def test_after_a_failure_the_next_begins_at_once() -> None:
    attempts = Attempts((0.01, False), (0.1, True))
    assert (await race(attempts.calls, 0.25))[0] == 1
    assert attempts.began[1] == pytest.approx(0.01)


async def test_where_all_fail_the_first_ones_reason_is_told_when_the_last_has_failed() -> None:
    for first, second in permutations((0.1, 3.0)):
        attempts = Attempts((first, False), (second, False))
        with pytest.raises(NetworkError) as caught:
            await race(attempts.calls, 0.25)
        assert caught.value.reason is Reason.REFUSED


async def test_of_two_that_arrive_at_once_one_is_closed() -> None:
    attempts = Attempts((1, True), (0.75, True))
    index, _ = await race(attempts.calls, 0.25)
    other = attempts.streams[1 - index]
    assert not attempts.streams[index].closed
    assert other.closed or attempts.cancelled == [1 - index]


async def test_cancelling_the_race_leaves_no_stream_open() -> None:
    for patience in (0.1, 0.3, 1.0):
        attempts = Attempts((1, True), (0.75, True))
        with trio.move_on_after(patience) as scope:
            await race(attempts.calls, 0.25)
        if scope.cancelled_caught:
            assert all(
                stream.closed or index in attempts.cancelled or index not in attempts.began
                for index, stream in enumerate(attempts.streams)
            )
