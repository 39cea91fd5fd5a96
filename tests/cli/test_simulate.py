"""`magnetite simulate`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from tests.cli.conftest import PATIENCE, Invoke, launching

T = TypeVar("T")

STUDY = '''"""How long is a wait?"""
from magnetite.study import plot
from magnetite.study.figures import Table

FULL = {"wait": [1, 2], "nodes": 5}
SMALL = {"wait": 1, "nodes": 5}

async def measure(world, wait, nodes):
    if wait == 13:
        raise ValueError("unlucky")
    if wait == 99:
        while True:
            await world.at(world.now + 1)
    await world.at(wait)
    world.record(seconds=world.now)

def figures(data):
    return [
        Table("Seconds", data.groupby("wait")[["seconds"]].median()),
        plot.lines(data, "wait", "seconds", xlabel="asked for [s]", ylabel="waited [s]"),
    ]

def verdict(data):
    return {"a wait is as long as it is": bool((data["seconds"] == data["wait"]).all()), "waits are short": False}
'''


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "waiting.py"
    path.write_text(STUDY)
    return path


def test_a_study_ends_in_tables_and_a_verdict_and_the_command_to_have_it_again(invoke: Invoke, study: Path) -> None:
    result = invoke("simulate", study, "--small", "--seeds", 2, "--set", "wait=1,3", "--workers", 1)
    assert result.code == 0
    assert result.out.splitlines()[:4] == ["Seconds", "wait  seconds", "   1        1", "   3        3"]
    assert "held: a wait is as long as it is" in result.out
    assert "did not hold: waits are short" in result.out
    again = f"again by: magnetite simulate {study} --small --seed 1 --seeds 2 --set wait=1,3"
    assert again in result.err


def test_json_has_the_runs_the_tables_and_the_claims(invoke: Invoke, study: Path) -> None:
    records = invoke("simulate", study, "--small", "--nodes", 9, "--json").records
    assert [each["event"] for each in records] == ["started", "run", "table", "claim", "claim", "finished"]
    assert records[1]["parameters"] == {"wait": 1, "nodes": 9}
    assert records[1]["virtual"] == 1
    assert records[2]["rows"] == [["1", "1"]]
    assert [each["held"] for each in records[3:5]] == [True, False]


def test_a_page_with_pictures_is_written_and_what_is_finished_is_not_run_again(
    invoke: Invoke, study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    first = invoke("simulate", study, "--out", out, "--workers", 1)
    assert f"wrote {out / 'waiting-1.png'}" in first.out
    page = (out / "waiting.md").read_text()
    assert page.startswith("# How long is a wait?\n")
    assert "![How long is a wait?](waiting-1.png)" in page
    assert "- **did not hold**: waits are short" in page
    assert f"`magnetite simulate {study} --seed 1`: 2 runs" in page
    again = invoke("simulate", study, "--out", out)
    assert "2 runs, 2 of them of before" in again.err


def test_the_same_twice_in_two_processes_is_said_with_the_digest(invoke: Invoke, study: Path) -> None:
    result = invoke("simulate", study, "--small", "--check-determinism")
    assert result.code == 0
    assert "the same twice: " in result.out


def test_what_depends_on_hashes_is_found_out(invoke: Invoke, study: Path) -> None:
    study.write_text(STUDY.replace("seconds=world.now", "seconds=hash('text')"))
    result = invoke("simulate", study, "--small", "--check-determinism")
    assert result.code == 1
    assert "1 of 1 run went another way the second time" in result.err


def test_a_run_that_fails_is_told_with_its_traceback_and_the_command_that_repeats_it(
    invoke: Invoke, study: Path
) -> None:
    result = invoke("simulate", study, "--small", "--set", "wait=13,1", "--seed", 7, "--workers", 1)
    assert result.code == 1
    assert 'raise ValueError("unlucky")' in result.err
    assert f"again by: magnetite simulate {study} --seed 7 --set wait=13 --set nodes=5" in result.err
    assert "1 of 2 runs failed" in result.err
    assert "Seconds" in result.out, "the others are not lost"


@pytest.mark.parametrize(
    ("right", "wrong", "error"),
    [
        ('[["seconds"]]', '[["minutes"]]', "Columns not found: 'minutes'"),
        ('"waits are short": False', '"waits are short": 1 / 0', "ZeroDivisionError: division by zero"),
        ("from magnetite.study import plot", "import what_nobody_has", "No module named 'what_nobody_has'"),
    ],
    ids=["figures", "verdict", "file"],
)
def test_a_mistake_in_a_study_is_told_in_a_line_and_with_the_traceback_of_its_own_code(
    invoke: Invoke, study: Path, right: str, wrong: str, error: str
) -> None:
    assert right in STUDY
    study.write_text(STUDY.replace(right, wrong))
    result = invoke("simulate", study, "--small", "--workers", 1)
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith(f"magnetite: {study}: ")
    assert error in result.err.splitlines()[-1]
    assert f'File "{study}", line ' in result.err
    assert "nursery" not in result.err, "what is ours is of no use to its author"


def test_a_system_that_does_not_tell_which_cores_are_ours_runs_studies_too(
    invoke: Invoke, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.sched_getaffinity")
    assert invoke("simulate", study, "--small").code == 0


def test_a_study_that_records_nothing_is_told_so(invoke: Invoke, study: Path) -> None:
    study.write_text(STUDY.replace("world.record(seconds=world.now)", "pass"))
    result = invoke("simulate", study, "--small", "--workers", 1)
    assert result.code == 0
    assert "no run recorded anything" in result.err


def test_pictures_that_nobody_sees_are_told_with_the_option_that_writes_them(invoke: Invoke, study: Path) -> None:
    result = invoke("simulate", study, "--small", "--workers", 1)
    assert "not shown: 1 picture; name a folder for them with --out" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a study, or a file; --list prints the names"),
        (("nothing",), "there is no study 'nothing'"),
        (("waiting.py", "--set", "wait"), "'wait' is no setting; write name=value"),
        (("waiting.py", "--set", "size=3"), "waiting has no parameter size; there are: wait, nodes"),
        (("waiting.py", "--seeds", "0"), "--seeds"),
        (("waiting.py", "--scheduler", "tcp://127.0.0.1:1"), "there is no Dask scheduler at tcp://127.0.0.1:1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    invoke: Invoke, study: Path, arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    monkeypatch.setattr("magnetite.study.cluster.CONNECT", 1)
    result = invoke("simulate", *arguments)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_run(invoke: Invoke, study: Path) -> None:
    result = invoke("simulate", study, "--small", "--out", study / "results")
    assert result.code == 8
    assert f"{study / 'results'}: cannot be written: " in result.err


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(
    invoke: Invoke, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    result = invoke("simulate", study, "--small")
    assert result.code == 2
    assert "this needs pandas: pip install 'magnetite[study]'" in result.err


def test_the_list_runs_no_study(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One may need what is not installed, or be half written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "simulations").mkdir()
    (tmp_path / "simulations" / "needy.py").write_text('"""How much is there?"""\nimport what_nobody_has\n')
    result = invoke("simulate", "--list")
    assert result.code == 0
    assert "How much is there?" in result.out


def test_the_list_names_the_studies_and_their_questions(invoke: Invoke) -> None:
    assert "flash_crowd" in invoke("simulate", "--list").out
    named = [record for record in invoke("simulate", "--list", "--json").records if record["event"] == "study"]
    assert all(record["question"] for record in named)


def test_interrupted_it_ends_at_once_and_leaves_no_process_behind(study: Path, tmp_path: Path) -> None:
    with launching(tmp_path) as start:
        process = start("simulate", study, "--set", "wait=99", "--json")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "started"
        workers = until(lambda: children(process.pid))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 130
        until(lambda: not [worker for worker in workers if Path(f"/proc/{worker}").exists()])


def test_workers_that_are_interrupted_before_they_can_say_that_they_do_not_listen_are_quiet(
    study: Path, tmp_path: Path
) -> None:
    """Ctrl-C goes to all processes of a terminal, those that are still starting included."""
    with launching(tmp_path) as start:
        process = start("simulate", study, "--set", "wait=99", "--json")
        workers = until(lambda: children(process.pid))
        for _ in range(10):
            for worker in workers | children(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGINT)
            time.sleep(0.05)  # noqa: TID251  # they start in real time
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert "Traceback" not in said


def children(pid: int) -> set[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for thread in threads for child in (thread / "children").read_text().split()}


def until(condition: Callable[[], T]) -> T:
    """What the condition is as soon as it holds; processes of their own live in real time."""
    for _ in range(PATIENCE * 20):
        if found := condition():
            return found
        time.sleep(0.05)  # noqa: TID251
    raise AssertionError("it never came to that")
