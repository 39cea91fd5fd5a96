"""Pieces are taken in batches, and who brings more waits while the disk is behind."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from magnetite.swarm.commit_queue import BATCH, MOST_WAITING, CommitQueue
from magnetite.swarm.partial import PartialPiece


def filled(*lengths: int) -> CommitQueue:
    queue = CommitQueue()
    for piece, length in enumerate(lengths):
        queue.put([PartialPiece(piece, length)])
    return queue


async def test_small_pieces_are_taken_together_and_in_order() -> None:
    queue = filled(*[BATCH // 4] * 6)
    assert [partial.piece for partial in await queue.take()] == [0, 1, 2, 3]
    assert [partial.piece for partial in await queue.take()] == [4, 5]


async def test_a_large_piece_is_taken_alone() -> None:
    queue = filled(2 * BATCH, 1)
    assert [partial.piece for partial in await queue.take()] == [0]
    assert [partial.piece for partial in await queue.take()] == [1]


@pytest.mark.parametrize("length", [1 << 14, 1 << 20, MOST_WAITING, 2 * MOST_WAITING])
async def test_whoever_brings_pieces_waits_while_too_many_bytes_do(length: int) -> None:
    most = max(2, MOST_WAITING // length)
    queue = filled(*[length] * (most - 1))
    await queue.room()
    queue.put([PartialPiece(99, length)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.room)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        await queue.take()


async def test_nobody_waits_while_it_is_open() -> None:
    queue = filled(MOST_WAITING, MOST_WAITING)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.room)
        await trio.testing.wait_all_tasks_blocked()
        queue.open(True)
    with trio.fail_after(1):
        await queue.room()
    queue.open(False)
    with trio.move_on_after(1) as waiting:
        await queue.room()
    assert waiting.cancelled_caught
