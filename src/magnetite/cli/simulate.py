"""`magnetite simulate`: run a study, in virtual time, on the cores of this machine or on a cluster."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import join

import click
import trio

from magnetite.cli.options import report_options
from magnetite.cli.report import Report
from magnetite.cli.status import Phase, Status
from magnetite.cli.text import count, duration
from magnetite.errors import MagnetiteError, Reason, StudyError
from magnetite.study.figures import Figures, Table
from magnetite.study.page import write_page
from magnetite.study.performing import Failure, words
from magnetite.study.points import Point, points
from magnetite.study.pool import hash_seed
from magnetite.study.report import frame_of
from magnetite.study.settings import overridden
from magnetite.study.study import Setup, Study, find, load, names, question_of, read
from magnetite.study.sweep import Outcome, Progress, Runs, sweep

HASH_SEEDS = (1, 2)  # of the two processes that must come to the same


@dataclass(frozen=True, slots=True)
class Wish:
    """What to run, and where."""

    study: str
    setting: tuple[str, ...]
    seed: int
    seeds: int | None
    small: bool
    out: Path | None
    scheduler: str | None
    workers: int

    def points(self, study: Study) -> list[Point]:
        setup: Setup = study.small if self.small else study.full
        return points(study, overridden(study, setup, self.setting), self.seed, self.seeds)

    @property
    def command(self) -> str:
        """What to type to have all of it again."""
        words = ["magnetite", "simulate", self.study, *(["--small"] if self.small else []), "--seed", str(self.seed)]
        words += ["--seeds", str(self.seeds)] if self.seeds else []
        for setting in self.setting:
            words += ["--set", setting]
        return join(words)


@click.command(epilog="Example:  magnetite simulate flash_crowd --small")
@click.argument("study", metavar="STUDY", required=False)
@click.option("--list", "is_list", is_flag=True, help="Print the studies that can be named, and what each asks.")
@click.option("--nodes", type=click.IntRange(1), metavar="N", help="The same as --set nodes=N.")
@click.option("--seed", type=int, metavar="S", help="The first seed.  [default: 1]")
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="Runs of each setting.  [default: the study's]")
@click.option(
    "--set",
    "setting",
    multiple=True,
    metavar="NAME=VALUE[,...]",
    help="Set a parameter; several values are swept over.",
)
@click.option("--small", is_flag=True, help="The size that takes seconds, instead of the full one.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for a page with figures, and for the runs; those that are finished there are not run again.",
)
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Runs at once on this machine.  [default: one a core]"
)
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler of a cluster to run on, as tcp://HOST:8786.")
@click.option("--check-determinism", is_flag=True, help="Run everything twice, and compare what happened.")
@report_options
def simulate(
    study: str | None,
    is_list: bool,
    nodes: int | None,
    seed: int | None,
    setting: tuple[str, ...],
    workers: int | None,
    check_determinism: bool,
    run: Callable[..., None],
    **options: object,
) -> None:
    """Run a study: a name, or a file with its question, what it measures, and its figures."""
    if is_list:
        run(_list)
    elif study is None:
        raise click.UsageError("name a study, or a file; --list prints the names")
    else:
        setting += (f"nodes={nodes}",) if nodes else ()
        first = 1 if seed is None else seed
        wish = Wish(study, setting, first, workers=workers or _cores(), **options)  # type: ignore[arg-type]  # click's
        run(partial(_check if check_determinism else _simulate, wish))


def _cores() -> int:
    """That we may use, where the system tells, as Linux does; else that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def _list(report: Report) -> None:
    for name, path in names().items():
        question = question_of(read(path, name))
        await report.result(f"{name:<24} {question}", "study", name=name, question=question, path=str(path))


async def _simulate(wish: Wish, report: Report) -> None:
    source = find(wish.study)
    frame_of([])  # what is missing, or cannot be written, is said before anything is run
    with _blaming(source.path, report):
        study = load(source)
    if wish.out is not None:
        with _writing(wish.out):
            wish.out.mkdir(parents=True, exist_ok=True)
    outcome = await _sweep(study, wish, report, Runs(wish.out / "data", study.source) if wish.out else None)
    for each in outcome.reports:
        await report.record("run", **{**each.facts, "parameters": each.parameters, "versions": each.versions})
    if outcome.reports:
        await _tell(study, wish, outcome, report)
    _raise_failures(outcome, report)


async def _tell(study: Study, wish: Wish, outcome: Outcome, report: Report) -> None:
    """The tables, the verdict, and where the pictures are."""
    data = frame_of(outcome.reports)
    figures: Figures = []
    verdict: Mapping[str, bool] = {}
    if data.empty:
        report.say("no run recorded anything: there is nothing to show")
    else:
        with _blaming(study.source.path, report):
            figures = study.figures(data) if study.figures else [Table(study.question, data)]
            verdict = study.verdict(data) if study.verdict else {}
    for figure in figures:
        if isinstance(figure, Table):
            fields = {"title": figure.title, "columns": figure.columns, "rows": figure.rows}
            await report.result(f"{figure.title}\n{_aligned(figure.columns, figure.rows)}\n", "table", **fields)
    for claim, held in verdict.items():
        text = f"{'held' if held else 'did not hold'}: {claim}"
        await report.result(text, "claim", claim=claim, held=bool(held))
    if wish.out is not None:
        with _writing(wish.out):
            paths = write_page(wish.out, study, outcome.reports, figures, verdict, wish.command)
        for path in paths:
            await report.result(f"wrote {path}", "written", path=str(path))
    elif pictures := sum(not isinstance(figure, Table) for figure in figures):
        report.say(f"not shown: {count(pictures, 'picture')}; name a folder for them with --out")
    cpu, virtual = (sum(getattr(each, name) for each in outcome.reports) for name in ("cpu", "virtual"))
    report.say(
        f"{count(outcome.reports, 'run')}{f', {outcome.kept} of them of before' if outcome.kept else ''}: "
        f"{duration(virtual)} of virtual time in {duration(cpu)} of the processor; again by: {wish.command}"
    )


async def _check(wish: Wish, report: Report) -> None:
    """Twice the same seeds in processes whose hashes differ. Raises StudyError if they come to something different."""
    source = find(wish.study)
    with _blaming(source.path, report):
        study = load(source)
    digests: list[list[str]] = []
    for number in HASH_SEEDS:
        with hash_seed(number):
            outcome = await _sweep(study, wish, report, None)
        _raise_failures(outcome, report)
        digests.append([each.digest for each in outcome.reports])
    differing = sum(first != second for first, second in zip(*digests, strict=True))
    if differing:
        raise StudyError(
            f"{differing} of {count(digests[0], 'run')} went another way the second time: something in it depends on "
            "hashes, on real time, or on what ran before",
            Reason.RUN_FAILED,
        )
    for point, digest in zip(wish.points(study), digests[0], strict=True):
        text = f"the same twice: {digest}, seed {point.seed}, {point.parameters}"
        await report.result(text, "same", digest=digest, seed=point.seed, parameters=point.parameters)


async def _sweep(study: Study, wish: Wish, report: Report, runs: Runs | None) -> Outcome:
    """All runs, in a thread that waits for the processes; with a bar."""
    status = Status(Phase.SIMULATING, f"{study.name}: starting")
    began = trio.current_time()

    def on_progress(progress: Progress) -> None:
        nonlocal status
        trio.from_thread.check_cancelled()
        real = trio.from_thread.run_sync(trio.current_time) - began
        words = (
            f"{study.name}: {progress.done} of {count(progress.of, 'run')}, "
            f"virtual {duration(progress.virtual)}, real {duration(real)}"
        )
        status = Status(Phase.SIMULATING, words, progress.done, progress.of)

    async with report.showing(lambda: status):
        return await trio.to_thread.run_sync(
            partial(
                sweep,
                study.source,
                wish.points(study),
                workers=wish.workers,
                runs=runs,
                scheduler=wish.scheduler,
                on_progress=on_progress,
            )
        )


def _raise_failures(outcome: Outcome, report: Report) -> None:
    """Say which runs failed, why, and how to have them again. Raises StudyError if any did."""
    failures: Sequence[Failure] = outcome.failures
    if not failures:
        return
    report.say(failures[0].text.rstrip())
    for failure in failures:
        report.say(f"failed: {failure.error}; again by: {failure.command}")
    of = len(failures) + len(outcome.reports)
    raise StudyError(
        f"{len(failures)} of {count(of, 'run')} failed, the first by: {failures[0].error}", Reason.RUN_FAILED
    )


@contextmanager
def _blaming(path: str, report: Report) -> Iterator[None]:
    """Whatever a study's own code raises becomes a StudyError, and its traceback is said: from that code on."""
    try:
        yield
    except MagnetiteError:
        raise
    except Exception as error:
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        report.say("".join(traceback.format_exception(type(error), error, trace)).rstrip())
        raise StudyError(f"{path}: {words(error)}", Reason.RUN_FAILED) from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StudyError(f"{folder}: cannot be written: {error.strerror}", Reason.NOT_WRITABLE) from error


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, numbers below each other."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)
    )
