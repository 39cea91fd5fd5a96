from __future__ import annotations

from types import ModuleType

import pytest

from magnetite.errors import StudyError
from magnetite.study.points import Point, points
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
