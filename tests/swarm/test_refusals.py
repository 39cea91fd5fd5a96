from __future__ import annotations

from magnetite.errors import Reason
from magnetite.swarm.refusals import TELL_EVERY, Refusals


def test_the_first_of_a_reason_is_told_at_once_and_the_crowd_behind_it_with_the_next() -> None:
    refusals = Refusals()
    assert refusals.note(Reason.PROTOCOL_ERROR, 0.0) == 1
    assert refusals.note(Reason.WRONG_INFO_HASH, 1.0) == 1
    assert not any(refusals.note(Reason.PROTOCOL_ERROR, number / 100) for number in range(5_000))
    assert refusals.note(Reason.PROTOCOL_ERROR, TELL_EVERY) == 5_001
    assert refusals.note(Reason.PROTOCOL_ERROR, TELL_EVERY + 1) == 0
    assert refusals.note(Reason.WRONG_INFO_HASH, TELL_EVERY + 1) == 1
