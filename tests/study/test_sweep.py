from __future__ import annotations

from pathlib import Path

import pytest

from magnetite.study.performing import Failure
from magnetite.study.points import Point, points
from magnetite.study.pool import hash_seed
from magnetite.study.study import find, load
from magnetite.study.sweep import Progress, Runs, sweep

STUDY = '''"""How long is a wait?"""
import os, signal, pathlib
import trio

FULL = SMALL = {"wait": [1, 2, 3], "seeds": 2}

async def measure(world, wait, folder=None, dies=False):
    await world.at(wait)
    if folder:
        name = pathlib.Path(folder, f"{wait}-{world.number}")
        with name.open("a") as file:
            file.write("x")
        if dies == wait and len(name.read_text()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    if wait == 13:
        raise ValueError("unlucky")
    world.record(seconds=world.now, hash=hash("text") if dies == "hash" else 0)
'''


@pytest.fixture
def source(tmp_path: Path):
    (tmp_path / "waiting.py").write_text(STUDY)
    return find(str(tmp_path / "waiting.py"))


def points_of(source, **changed) -> list[Point]:
    study = load(source)
    return points(study, {**study.small, **changed})


def test_all_runs_come_back_in_the_order_of_the_points(source) -> None:
    seen: list[Progress] = []
    outcome = sweep(source, points_of(source), workers=2, on_progress=seen.append)
    assert [(each.seed, each.parameters["wait"]) for each in outcome.reports] == [
        (1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3)
    ]  # fmt: skip
    assert [each.rows[0]["seconds"] for each in outcome.reports] == [1, 1, 2, 2, 3, 3]
    assert (seen[-1].done, seen[-1].of, seen[-1].virtual) == (6, 6, 12)


def test_finished_runs_are_not_run_again(source, tmp_path: Path) -> None:
    runs, marks = Runs(tmp_path / "out", source), tmp_path / "marks"
    marks.mkdir()
    first = sweep(source, points_of(source, wait=1, folder=str(marks)), workers=1, runs=runs)
    again = sweep(source, points_of(source, wait=[1, 2], folder=str(marks)), workers=1, runs=runs)
    assert (first.kept, again.kept) == (0, 2)
    assert first.reports == again.reports[:2]
    assert {path.name: path.read_text() for path in marks.iterdir()} == dict.fromkeys(("1-1", "1-2", "2-1", "2-2"), "x")


def test_what_a_killed_worker_had_begun_is_run_again_and_nothing_twice(source, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    sweeping = points_of(source, folder=str(marks), dies=2, seeds=1)
    outcome = sweep(source, sweeping, workers=2, runs=Runs(tmp_path / "out", source))
    assert not outcome.failures
    assert [each.parameters["wait"] for each in outcome.reports] == [1, 2, 3]
    assert (marks / "2-1").read_text() == "xx"


def test_a_run_that_fails_hinders_no_other_and_says_how_to_have_it_again(source) -> None:
    outcome = sweep(source, points_of(source, wait=[13, 1], seeds=1), workers=1)
    assert [each.parameters["wait"] for each in outcome.reports] == [1]
    [failure] = outcome.failures
    assert isinstance(failure, Failure)
    assert failure.error == "ValueError: unlucky"
    assert failure.command == f"magnetite simulate {source.path} --seed 1 --set wait=13"
    assert 'raise ValueError("unlucky")' in failure.text


def test_processes_of_other_hash_seeds_hash_otherwise_and_what_depends_on_it_shows(source) -> None:
    digests = []
    for number in (1, 2):
        with hash_seed(number):
            reports = sweep(source, points_of(source, wait=1, dies=[False, "hash"], seeds=1), workers=1).reports
        digests.append([each.digest for each in reports])
    assert digests[0][0] == digests[1][0]
    assert digests[0][1] != digests[1][1]
