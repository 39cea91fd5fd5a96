from __future__ import annotations

from types import ModuleType

import pytest

from magnetite.errors import StudyError
from magnetite.study.points import Point, overridden, points
from magnetite.study.study import Source, Study, of_module


def study_of(full: dict, text: str = "") -> Study:
    module = ModuleType("sample", "Does it?\n\nAt length.")

    async def measure(world, crowd, size=1): ...

    module.measure, module.FULL, module.SMALL = measure, full, {}
    return of_module(module, Source("sample", "sample.py", text, "sample"))


def test_lists_are_swept_over_with_every_seed() -> None:
    study = study_of({"crowd": [1, 2], "size": 7, "seeds": 2})
    assert points(study, study.full, seed=5) == [
        Point(5, {"crowd": 1, "size": 7}),
        Point(6, {"crowd": 1, "size": 7}),
        Point(5, {"crowd": 2, "size": 7}),
        Point(6, {"crowd": 2, "size": 7}),
    ]
    assert len(points(study, study.full, seeds=3)) == 6


def test_settings_take_the_place_of_what_the_study_says() -> None:
    study = study_of({"crowd": [1, 2]})
    changed = overridden(study, study.full, ["crowd=3,4", "size=64KiB"])
    assert points(study, changed) == [Point(1, {"crowd": 3, "size": 65536}), Point(1, {"crowd": 4, "size": 65536})]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1.5", 1.5), ("1.5MiB", 1.5 * (1 << 20)), ("true", True), ("None", None), ("rarest", "rarest")],
)
def test_values_are_numbers_truth_none_or_text(text: str, value: object) -> None:
    study = study_of({})
    [got] = overridden(study, {}, [f"crowd={text}"])["crowd"]
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize("setting", ["crowd", "=3", "crowd=", "crowd=1,,2", "crowds=1", "seeds=3"])
def test_settings_that_make_no_sense_are_refused(setting: str) -> None:
    study = study_of({})
    with pytest.raises(StudyError, match=setting.partition("=")[0] or "setting"):
        overridden(study, {}, [setting])


def test_a_runs_key_changes_with_the_file_the_parameters_and_the_seed_and_with_nothing_else() -> None:
    sources = [study_of({}, text).source for text in ("a", "b")]
    keys = {
        point.key(source)
        for source in sources
        for point in (Point(1, {"crowd": 1, "size": 2}), Point(2, {"crowd": 1, "size": 2}), Point(1, {"crowd": 2}))
    }
    assert len(keys) == 6
    assert Point(1, {"size": 2, "crowd": 1}).key(sources[0]) in keys


def test_no_seeds_are_refused() -> None:
    study = study_of({})
    with pytest.raises(StudyError, match="seeds"):
        points(study, {"seeds": 0})
