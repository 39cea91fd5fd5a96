"""Which runs a study consists of: every combination of its parameters, with every seed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha1
from itertools import product

from magnetite.errors import StudyError
from magnetite.study.report import code
from magnetite.study.study import Setup, Source, Study, check
from magnetite.study.trace import Plain, Row


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
    axes = {name: values_of(value) for name, value in setup.items() if name != "seeds"}
    combinations = [dict(zip(axes, chosen, strict=True)) for chosen in product(*axes.values())]
    return [Point(seed + number, parameters) for parameters in combinations for number in range(count)]


def values_of(value: Plain | list[Plain] | tuple[Plain, ...]) -> list[Plain]:
    """One value, or those that are swept over."""
    return list(value) if isinstance(value, list | tuple) else [value]
