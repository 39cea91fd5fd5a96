"""A sweep on a real Dask scheduler with two worker processes of this machine, of which one is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from magnetite.errors import StudyError
from magnetite.study.cluster import run_there
from magnetite.study.points import Point, points
from magnetite.study.report import Report
from magnetite.study.study import find, load
from magnetite.study.sweep import Runs, sweep

PATIENCE = 60  # seconds
STUDY = '''"""How long is a wait?"""
import os, pathlib, time

FULL = SMALL = {"wait": [1, 2, 3, 4, 5, 6], "folder": ""}

async def measure(world, wait, folder):
    pathlib.Path(folder, f"{wait}-{os.getpid()}").touch()
    time.sleep(0.3)
    await world.at(wait)
    world.record(seconds=world.now)
'''


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-m", "distributed.cli." + arguments[0], *arguments[1:]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def scheduler() -> Iterator[str]:
    """Its address; two workers, of one thread each, are on their way to it."""
    processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter")]
    try:
        assert processes[0].stderr is not None
        address = next(
            found[0] for line in processes[0].stderr if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line))
        )
        for _ in range(2):
            options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
            processes.append(start("dask_worker", address, *options))
        yield address
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_a_killed_worker_costs_no_run_and_doubles_none(scheduler: str, tmp_path: Path) -> None:
    (tmp_path / "waiting.py").write_text(STUDY)
    marks = tmp_path / "marks"
    marks.mkdir()
    study = load(find(str(tmp_path / "waiting.py")))
    asked = points(study, {**study.small, "folder": str(marks)})
    killed: list[int] = []
    began = time.monotonic()  # noqa: TID251  # real processes, in real time

    def kill_whoever_began(under_way: float = 0) -> None:
        assert time.monotonic() - began < PATIENCE  # noqa: TID251
        workers = {int(mark.name.partition("-")[2]) for mark in marks.iterdir()}
        if len(workers) == 2 and not killed:
            killed.append(max(workers))
            os.kill(killed[0], signal.SIGKILL)

    got = list(run_there(scheduler, study.source, asked, kill_whoever_began))
    assert killed
    assert all(isinstance(result, Report) for result in got)
    assert sorted(result.rows[0]["seconds"] for result in got) == [1, 2, 3, 4, 5, 6]

    runs = Runs(tmp_path / "out", study.source)
    first = sweep(study.source, asked, workers=1, runs=runs, scheduler=scheduler)
    again = sweep(study.source, asked, workers=1, runs=runs, scheduler=scheduler)
    assert (first.kept, again.kept) == (0, 6)
    assert [each.digest for each in first.reports] == [each.digest for each in again.reports]


def test_where_there_is_no_scheduler_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magnetite.study.cluster.CONNECT", 1)
    (tmp_path / "waiting.py").write_text(STUDY)
    with pytest.raises(StudyError, match="no Dask scheduler"):
        list(run_there("tcp://127.0.0.1:1", find(str(tmp_path / "waiting.py")), [Point(1, {})], print))
