from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from magnetite import study
from magnetite.errors import StudyError
from magnetite.study import World
from magnetite.study.events_file import read_events
from magnetite.study.parquet import read_report, write_report
from magnetite.study.trace import BATCH

KiB = 1 << 10


async def download(world: World, size: int = 64 * KiB) -> None:
    magnet = await world.seed(size, piece_length=16 * KiB)
    host = world.host()
    world.note("began", host, size=size)
    await (await world.download(host, magnet)).completed()
    world.record(seconds=world.now, name="sample", held=True, nothing=None)


@pytest.mark.parametrize("name", ["trace.sqlite", "trace.parquet"])
def test_events_come_back_in_their_order_with_their_fields(tmp_path: Path, name: str) -> None:
    report = study.run(download, trace=tmp_path / "deep" / name)
    events = read_events(tmp_path / "deep" / name)
    assert len(events) == report.events
    assert events["time"].is_monotonic_increasing
    pieces = read_events(tmp_path / "deep" / name, "piece_verified")
    assert sorted(pieces["piece"]) == [0, 1, 2, 3]
    [began] = read_events(tmp_path / "deep" / name, "began").to_dict("records")
    assert began["size"] == 64 * KiB


def test_the_digest_does_not_depend_on_where_events_are_kept(tmp_path: Path) -> None:
    digests = {study.run(download, trace=path).digest for path in (None, tmp_path / "a.sqlite", tmp_path / "a.parquet")}
    assert len(digests) == 1


def test_a_trace_says_of_which_run_it_is(tmp_path: Path) -> None:
    path = tmp_path / "trace.sqlite"
    report = study.run(download, seed=3, trace=path, size=32 * KiB)
    with closing(sqlite3.connect(path)) as database:
        facts = dict(database.execute("SELECT name, value FROM facts"))
    assert facts["seed"] == 3
    assert facts["digest"] == report.digest
    assert '"size": 32768' in facts["parameters"]
    assert "magnetite" in facts["versions"]


def test_a_trace_of_more_than_a_batch_is_whole(tmp_path: Path) -> None:
    async def noting(world: World) -> None:
        for number in range(BATCH + 7):
            world.note("tick", number=number)

    study.run(noting, trace=tmp_path / "trace.sqlite")
    assert list(read_events(tmp_path / "trace.sqlite")["number"]) == list(range(BATCH + 7))


def test_a_run_that_fails_leaves_the_trace_of_what_was_before(tmp_path: Path) -> None:
    async def failing(world: World) -> None:
        world.note("before")
        raise ValueError

    with pytest.raises(ValueError):
        study.run(failing, trace=tmp_path / "trace.sqlite")
    assert list(read_events(tmp_path / "trace.sqlite")["kind"]) == ["before"]


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.sqlite").write_bytes(b"something else")
    with pytest.raises(StudyError, match=r"other\.sqlite"):
        read_events(tmp_path / "other.sqlite")


def test_a_report_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    report = study.run(download, size=32 * KiB)
    write_report(report, tmp_path / "run.parquet")
    assert read_report(tmp_path / "run.parquet") == report


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(StudyError, match=r"run\.parquet: is no finished run"):
        read_report(tmp_path / "run.parquet")


def test_a_column_of_several_kinds_is_named(tmp_path: Path) -> None:
    async def mixing(world: World) -> None:
        world.record(seconds=1.0)
        world.record(seconds="long")

    with pytest.raises(StudyError, match="'seconds' mixes"):
        write_report(study.run(mixing), tmp_path / "run.parquet")


def test_rows_are_a_table_with_seed_and_parameters_before_them() -> None:
    frame = study.run(download, seed=4, size=32 * KiB).frame()
    assert list(frame.columns[:3]) == ["seed", "size", "seconds"]
    assert frame.to_dict("records")[0]["seed"] == 4
