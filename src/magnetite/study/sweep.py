"""All runs of a study: what is finished already is read, the others are run, and each is kept when it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from magnetite.study.performing import Failure, Result
from magnetite.study.points import Point
from magnetite.study.pool import run_here
from magnetite.study.report import Report
from magnetite.study.study import Source


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sweep is."""

    done: int  # runs, with those of before
    of: int
    virtual: float  # seconds in all simulations so far


@dataclass(slots=True)
class Outcome:
    """What a sweep gave, in the order of its points."""

    reports: list[Report] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    kept: int = 0  # reports that an earlier sweep had left


class Runs:
    """The folder of finished runs, a Parquet file each, and of their events. Needs the extra `study`."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder = folder
        self._source = source

    def path(self, point: Point) -> Path:
        return self._folder / "runs" / f"{point.key(self._source)}.parquet"

    def events(self, point: Point, *, is_only: bool) -> Path:
        """SQLite, to be looked into while it runs, of a single run; Parquet of many, which is far smaller."""
        return self._folder / "events" / f"{point.key(self._source)}.{'sqlite' if is_only else 'parquet'}"

    def read(self, point: Point) -> Report | None:
        """The report of a run that was finished before. Raises StudyError if its file is damaged."""
        from magnetite.study.parquet import read_report

        return read_report(self.path(point)) if self.path(point).is_file() else None

    def write(self, point: Point, report: Report) -> None:
        from magnetite.study.parquet import write_report

        self.path(point).parent.mkdir(parents=True, exist_ok=True)
        write_report(report, self.path(point))


def sweep(
    source: Source,
    points: Sequence[Point],
    *,
    workers: int,
    runs: Runs | None = None,
    scheduler: str | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Outcome:
    """Run every point that `runs` does not hold, on `workers` processes here or on the cluster of a scheduler.

    Which of them fail is told, and hinders no other. Raises StudyError.
    """
    results: dict[str, Result] = {}
    outcome = Outcome()
    for point in points if runs else ():
        assert runs is not None
        report = runs.read(point)
        if report is not None:
            results[point.key(source)] = report
    outcome.kept = len(results)

    def tell(under_way: float = 0.0) -> None:
        if on_progress is not None:
            virtual = sum(result.virtual for result in results.values() if isinstance(result, Report))
            on_progress(Progress(len(results), len(points), virtual + under_way))

    tell()
    left = [point for point in points if point.key(source) not in results]
    for result in _run(source, left, workers, runs, scheduler, tell):
        point = result.point if isinstance(result, Failure) else Point(result.seed, dict(result.parameters))
        results[point.key(source)] = result
        if runs is not None and isinstance(result, Report):
            runs.write(point, result)
        tell()
    for point in points:
        match results[point.key(source)]:
            case Report() as report:
                outcome.reports.append(report)
            case Failure() as failure:
                outcome.failures.append(failure)
    return outcome


def _run(
    source: Source,
    left: Sequence[Point],
    workers: int,
    runs: Runs | None,
    scheduler: str | None,
    on_time: Callable[[float], object],
) -> Iterator[Result]:
    if scheduler is not None:
        from magnetite.study.cluster import run_there

        return run_there(scheduler, source, left, on_time)
    tasks = [(point, runs.events(point, is_only=len(left) == 1) if runs else None) for point in left]
    return run_here(source, tasks, workers, on_time)
