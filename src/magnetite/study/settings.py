"""What `--set` says of a study's parameters, read as values of the kind they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from inspect import signature
from typing import Final

from magnetite.errors import StudyError
from magnetite.study.points import values_of
from magnetite.study.study import Setup, Study, check
from magnetite.study.trace import Plain

UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WORDS: Final[Mapping[str, Plain]] = {"true": True, "false": False, "none": None}
_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "none",
}


def overridden(study: Study, setup: Setup, settings: Sequence[str]) -> Setup:
    """The setup with what `name=value` or `name=value,value` say in its place.

    Values are of the kinds that the study itself gives the parameter; numbers may have a unit, such as 64KiB. Raises
    StudyError.
    """
    changed = dict(setup)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name or not text:
            raise StudyError(f"{setting!r} is no setting; write name=value, or name=value,value to sweep")
        if name == "seeds":
            raise StudyError("how many seeds there are is said by --seeds")
        check(study, {name: text})
        kinds = _kinds(study, name)
        changed[name] = [_value(each, setting, kinds) for each in text.split(",")]
    return changed


def _kinds(study: Study, name: str) -> list[type]:
    """Of the values that the study itself gives a parameter; all there are, where it gives it none but None."""
    own = [value for setup in (study.full, study.small) if name in setup for value in values_of(setup[name])]
    default = signature(study.measure).parameters[name].default
    if isinstance(default, str | int | float | None):
        own.append(default)
    kinds = {type(value) for value in own}
    return [kind for kind in _KINDS if kind in kinds or kinds <= {type(None)}]


def _value(text: str, setting: str, kinds: Sequence[type]) -> Plain:
    if not text:
        raise StudyError(f"{setting!r}: there is a value missing")
    for value in _readings(text):
        for kind in kinds:
            if type(value) is kind:
                return value
    wanted = " or ".join(_KINDS[kind] for kind in kinds)
    raise StudyError(f"{setting!r}: {text!r} does not fit the parameter; it takes {wanted}")


def _readings(text: str) -> Iterator[Plain]:
    """All that a text may mean, the most special first."""
    if text.lower() in _WORDS:
        yield _WORDS[text.lower()]
    digits, unit = (text[:-3], UNITS[text[-3:]]) if text[-3:] in UNITS else (text, 1)
    with suppress(ValueError):
        yield int(digits) * unit
    with suppress(ValueError):
        number = float(digits) * unit
        yield number
        if number.is_integer():  # half a MiB is a whole number of bytes
            yield int(number)
    yield text
