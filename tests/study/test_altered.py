from __future__ import annotations

import pytest

from magnetite.dht import lookup
from magnetite.errors import StudyError
from magnetite.study.agents import defences, searching
from magnetite.study.altered import altered


def test_a_constant_is_another_within_the_block_and_the_same_as_before_after_it() -> None:
    before = lookup.ALPHA
    with altered({"dht.lookup.ALPHA": 1}), altered({"dht.lookup.ALPHA": 2}):
        assert lookup.ALPHA == 2
    assert before == lookup.ALPHA


def test_a_method_is_put_back_too_whatever_happens_within() -> None:
    before = lookup.Lookup.on_reply
    with pytest.raises(KeyError), altered({"dht.lookup.Lookup.on_reply": None}):
        raise KeyError
    assert before is lookup.Lookup.on_reply


@pytest.mark.parametrize("name", ["dht.lookup.NOTHING", "dht.nowhere.ALPHA", "dht.lookup.Nobody.on_reply", "ALPHA", ""])
def test_what_is_not_there_cannot_be_altered_and_then_nothing_is(name: str) -> None:
    before = lookup.ALPHA
    with pytest.raises(StudyError, match="to alter"), altered({"dht.lookup.ALPHA": 1, name: 1}):
        pass
    assert before == lookup.ALPHA


@pytest.mark.parametrize(
    "values",
    [searching.PLAIN, searching.ROUNDS, searching.timeouts(20.0), defences.ENFORCED, defences.without()],
    ids=["plain", "rounds", "timeouts", "enforced", "defences"],
)
def test_whatever_studies_turn_off_is_there(values: searching.Values) -> None:
    with altered(values):
        pass
