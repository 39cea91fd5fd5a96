"""Which runs a study consists of: every combination of its parameters, with every seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from itertools import product
from typing import Final

from magnetite.errors import StudyError
from magnetite.study.report import code
from magnetite.study.study import Setup, Source, Study, check
from magnetite.study.trace import Plain, Row

UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WORDS: Final[Mapping[str, Plain]] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True)
class Point:
    """One run: a seed and a value of each parameter."""

    seed: int
    parameters: Row

    def key(self, source: Source) -> str:
        """Names the run among all of this and of other studies; changes with the study's file and with magnetite."""
        text = json.dumps([source.digest, code(), self.parameters], sort_keys=True)
        return f"{source.name}-{sha1(text.encode()).hexdigest()[:12]}-{self.seed}"


def points(study: Study, setup: Setup, seed: int = 1, seeds: int | None = None) -> list[Point]:
    """All runs, the seeds of one combination beside each other: `seed`, `seed` + 1, and so on, `seeds` of them.

    Raises StudyError for parameters the study does not have, or where there is nothing to run.
    """
    check(study, setup)
    count = seeds if seeds is not None else setup.get("seeds", 1)
    if not isinstance(count, int) or count < 1:
        raise StudyError(f"{count!r} seeds make no sense; 1 or more do")
    axes = {name: _values(value) for name, value in setup.items() if name != "seeds"}
    combinations = [dict(zip(axes, chosen, strict=True)) for chosen in product(*axes.values())]
    return [Point(seed + number, parameters) for parameters in combinations for number in range(count)]


def overridden(study: Study, setup: Setup, settings: Sequence[str]) -> Setup:
    """The setup with what `name=value` or `name=value,value` say in its place.

    Values are numbers, text, true, false or none; numbers may have a unit, such as 64KiB. Raises StudyError.
    """
    changed = dict(setup)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name or not text:
            raise StudyError(f"{setting!r} is no setting; write name=value, or name=value,value to sweep")
        if name == "seeds":
            raise StudyError("how many seeds there are is said by --seeds")
        changed[name] = [_value(each, setting) for each in text.split(",")]
    check(study, changed)
    return changed


def _values(value: Plain | list[Plain] | tuple[Plain, ...]) -> list[Plain]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _value(text: str, setting: str) -> Plain:
    if not text:
        raise StudyError(f"{setting!r}: there is a value missing")
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    digits, unit = (text[:-3], UNITS[text[-3:]]) if text[-3:] in UNITS else (text, 1)
    for number in _numbers(digits):
        return number * unit
    return text


def _numbers(text: str) -> Iterator[int | float]:
    """The number that a text is, if it is one."""
    for kind in (int, float):
        try:
            yield kind(text)
        except ValueError:
            continue
