"""Buffers are used again, and not too many kept."""

from __future__ import annotations

import pytest

from magnetite.swarm.buffers import KEPT, Buffers


def test_a_buffer_that_was_given_back_is_handed_out_again_and_to_one_only() -> None:
    buffers = Buffers(64)
    first = buffers.take(64)
    buffers.give_back(first)
    assert buffers.take(64) is first
    assert buffers.take(64) is not first


def test_the_shorter_last_piece_has_a_buffer_of_its_own_length() -> None:
    buffers = Buffers(64)
    buffers.give_back(buffers.take(64))
    assert len(buffers.take(10)) == 10
    buffers.give_back(buffers.take(10))
    assert len(buffers.take(64)) == 64


@pytest.mark.parametrize("length", [1, 1 << 14, KEPT // 3, KEPT, KEPT + 1])
def test_no_more_is_kept_than_wanted_and_one_at_least(length: int) -> None:
    buffers = Buffers(length)
    for buffer in [memoryview(bytes(length))] * 5:
        buffers.give_back(buffer)
    assert len(buffers._spare) == min(5, max(1, KEPT // length))


def test_spares_that_are_forgotten_are_not_handed_out_again() -> None:
    buffers = Buffers(64)
    first = buffers.take(64)
    buffers.give_back(first)
    buffers.forget_spares()
    assert buffers.take(64) is not first
