"""One run of a study as a worker does it, in whatever process: a Report comes back, or a Failure."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from magnetite.errors import MagnetiteError
from magnetite.simnet import VirtualClock
from magnetite.study.points import Point
from magnetite.study.report import Report, command
from magnetite.study.running import LIMIT, run
from magnetite.study.study import Source, load


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that did not come to its end. `text` is the traceback."""

    point: Point
    error: str
    text: str
    command: str  # that repeats it


Result: TypeAlias = Report | Failure


def perform(source: Source, point: Point, trace: Path | None = None, clock: VirtualClock | None = None) -> Result:
    """Run one point of a study. Whatever its code raises becomes a Failure: others are to go on."""
    try:
        measure = load(source).measure
        return run(
            measure,
            point.seed,
            study=source.typed,
            trace=trace,
            clock=clock or VirtualClock(limit=LIMIT),
            **point.parameters,
        )
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  # a study's code may raise anything
        return failed(source, point, words(error), "".join(traceback.format_exception(error)))


def failed(source: Source, point: Point, error: str, text: str = "") -> Failure:
    return Failure(point, error, text, command(source.typed, point.seed, point.parameters))


def words(error: BaseException) -> str:
    """The innermost cause of what a study raised, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    name = "" if isinstance(error, MagnetiteError) else f"{type(error).__name__}: "
    return f"{name}{error}".partition("\n")[0]
