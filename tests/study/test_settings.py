from __future__ import annotations

import pytest

from magnetite.errors import StudyError
from magnetite.study.points import Point, points
from magnetite.study.settings import overridden
from tests.study.test_points import study_of


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


@pytest.mark.parametrize(
    ("own", "text", "value"),
    [
        ("nobody", "none", "none"),
        ("nobody", "1", "1"),
        (["nobody", None], "none", None),
        (None, "none", None),
        (None, "1", 1),
        (1.0, "2", 2.0),
        (1.0, "64KiB", 65536.0),
        (1, "0.5MiB", 524288),
        ([1, 0.5], "2", 2),
        (False, "True", True),
    ],
)
def test_a_value_is_of_the_kind_the_study_gives_the_parameter(own: object, text: str, value: object) -> None:
    study = study_of({"crowd": own})
    [got] = overridden(study, study.full, [f"crowd={text}"])["crowd"]
    assert (got, type(got)) == (value, type(value))


def test_a_default_tells_the_kind_too() -> None:
    with pytest.raises(StudyError, match="'size=none'"):
        overridden(study_of({}), {}, ["size=none"])


@pytest.mark.parametrize(
    ("own", "text", "wanted"),
    [
        (1, "none", "a whole number"),
        (1, "1.5", "a whole number"),
        (1, "inf", "a whole number"),
        (1, "true", "a whole number"),
        ([1, 0.5], "many", "a whole number or a number"),
        (1.0, "none", "a number"),
        (False, "1", "true or false"),
        ([1, None], "few", "a whole number or none"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_line(own: object, text: str, wanted: str) -> None:
    study = study_of({"crowd": own})
    with pytest.raises(StudyError) as caught:
        overridden(study, study.full, [f"crowd={text}"])
    assert str(caught.value).endswith(f"{text!r} does not fit the parameter; it takes {wanted}")
    assert "\n" not in str(caught.value)
