"""What `verify` says of files that are right, damaged, missing, or not complete."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from magnetite.cli.exit_codes import ExitCode
from magnetite.cli.verify import checked_files
from magnetite.storage.base import FileStat
from tests.cli.conftest import OFFLINE, Invoke
from tests.cli.test_swarm_verbs import Seeder, content
from tests.torrent.samples import multi


@pytest.fixture
def copy(payload: Path, tmp_path: Path) -> Path:
    """A folder that holds a copy of the payload."""
    shutil.copytree(payload, tmp_path / "copy" / "payload")
    return tmp_path / "copy"


@pytest.fixture
def torrent(payload: Path, invoke: Invoke, tmp_path: Path) -> Path:
    invoke("create", payload, "-o", tmp_path / "a.torrent")
    return tmp_path / "a.torrent"


def test_all_is_right(invoke: Invoke, torrent: Path, copy: Path) -> None:
    result = invoke("verify", torrent, "--dir", copy)
    assert result.code == ExitCode.DONE
    assert result.out == "right    payload/one.bin\nright    payload/sub/two.txt\n"


def test_what_is_wrong_is_told_for_each_file_and_nothing_is_changed(invoke: Invoke, torrent: Path, copy: Path) -> None:
    (copy / "payload" / "one.bin").write_bytes(bytes(128_000))
    (copy / "payload" / "sub" / "two.txt").unlink()
    before = content(copy)
    result = invoke("verify", torrent, "--dir", copy, "--json")
    assert result.code == ExitCode.DIFFERS
    files = {record["path"]: record["state"] for record in result.records if record["event"] == "file"}
    assert files == {"payload/one.bin": "damaged", "payload/sub/two.txt": "missing"}
    [total] = [record for record in result.records if record["event"] == "verified"]
    assert (total["files"], total["files_right"], total["pieces_right"]) == (2, 0, 0)
    assert result.records[-1]["reason"] == "content_differs"
    assert content(copy) == before


def test_a_file_that_goes_on_after_its_end_is_told_and_the_others_are_checked(
    invoke: Invoke, torrent: Path, copy: Path
) -> None:
    with (copy / "payload" / "one.bin").open("ab") as file:
        file.write(b"more")
    result = invoke("verify", torrent, "--dir", copy)
    assert result.code == ExitCode.DIFFERS
    assert result.out == "longer   payload/one.bin: 4 bytes too many at its end\nright    payload/sub/two.txt\n"


def test_what_is_no_file_counts_as_missing(invoke: Invoke, torrent: Path, copy: Path) -> None:
    one = copy / "payload" / "one.bin"
    one.unlink()
    one.mkdir()
    result = invoke("verify", torrent, "--dir", copy)
    assert result.code == ExitCode.DIFFERS
    assert result.out.startswith("missing  payload/one.bin\n")


def test_a_partial_file_is_looked_at_and_keeps_its_name(invoke: Invoke, torrent: Path, copy: Path) -> None:
    one = copy / "payload" / "one.bin"
    one.rename(one.with_name("one.bin.part"))
    result = invoke("verify", torrent, "--dir", copy)
    assert result.code == ExitCode.DONE
    assert one.with_name("one.bin.part").exists()


def test_where_there_is_nothing_everything_is_missing(invoke: Invoke, torrent: Path, tmp_path: Path) -> None:
    result = invoke("verify", torrent, "--dir", tmp_path / "nowhere")
    assert result.code == ExitCode.DIFFERS
    assert result.out.count("missing") == 2
    assert "2 of 2 files not right; get it again, which mends that, or says what" in result.err
    assert not (tmp_path / "nowhere").exists()


def test_getting_it_again_mends_what_is_not_right_or_says_what_is_in_its_way(
    invoke: Invoke, torrent: Path, seeder: Seeder, payload: Path, copy: Path, tmp_path: Path
) -> None:
    """It cuts nobody's file short, and overwrites none that is of something else altogether."""
    one, two = copy / "payload" / "one.bin", copy / "payload" / "sub" / "two.txt"
    network = ("--peer", seeder[1], "--state", tmp_path / "state", *OFFLINE)
    one.write_bytes(one.read_bytes() + b"more")
    two.write_text("else")
    for path in (one, two):
        assert "get it again" in invoke("verify", torrent, "--dir", copy).err
        result = invoke("get", torrent, "--dir", copy, *network)
        assert result.code == ExitCode.FILES
        assert f"{path}: " in result.err
        path.rename(tmp_path / path.name)
    assert invoke("get", torrent, "--dir", copy, *network).code == ExitCode.DONE
    assert content(copy / "payload") == content(payload)
    one.write_bytes(bytes(20_000) + one.read_bytes()[20_000:])
    assert invoke("get", torrent, "--dir", copy, *network).code == ExitCode.DONE
    assert content(copy / "payload") == content(payload)


def test_the_metadata_of_a_magnet_comes_from_peers_or_from_what_is_remembered(
    invoke: Invoke, seeder: Seeder, copy: Path, tmp_path: Path
) -> None:
    magnet, peer = seeder
    state = ("--state", tmp_path / "state")
    assert invoke("verify", magnet, "--dir", copy, "--peer", peer, *state, *OFFLINE).code == ExitCode.DONE
    assert invoke("get", magnet, "--dir", copy, "--peer", peer, *state, *OFFLINE).code == ExitCode.DONE
    assert invoke("verify", magnet, "--dir", copy, *state, *OFFLINE).code == ExitCode.DONE


def test_a_piece_in_two_files_counts_for_both_and_padding_for_none() -> None:
    metainfo, _ = multi({"a": 25_000, "empty": 0, "b": 5_000, ".pad/9": 10_000, "c": 30_000}, 20_000)
    stats = [FileStat(25_000, 0), FileStat(0, 0), FileStat(5_000, 0), None, None]
    found = list(checked_files(metainfo, 0b0001, stats))
    assert [(file.path, file.state, file.wrong) for file in found] == [
        ("folder/a", "damaged", 1),
        ("folder/empty", "right", 0),
        ("folder/b", "damaged", 1),
        ("folder/c", "missing", 2),
    ]
