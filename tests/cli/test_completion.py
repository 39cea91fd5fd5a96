"""Where a download waits until it is complete, and what is run then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from magnetite.cli.completion import parse_command
from magnetite.cli.exit_codes import ExitCode
from magnetite.torrent.magnet import parse_magnet
from tests.cli.conftest import OFFLINE, PATIENCE, Invoke, Start, free_port, launching
from tests.cli.test_swarm_verbs import Seeder, content

NASTY = '$(touch x); a\'b "c" `touch y` {path} -n'
TELL = """import json, os, sys
print(json.dumps([sys.argv[1:], {k: v for k, v in os.environ.items() if k.startswith("MAGNETITE_")}]),
      file=open(os.environ["TOLD"], "w"))"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ("echo {path}", ["echo", "/d/" + NASTY]),
        ("echo '{name} of' {infohash}", ["echo", NASTY + " of", "00ff"]),
        ("sh -c 'echo \"$1\"' sh {name}", ["sh", "-c", 'echo "$1"', "sh", NASTY]),
        ("awk '{print}' --to={name}{name}", ["awk", "{print}", f"--to={NASTY}{NASTY}"]),
    ],
)
def test_a_name_becomes_part_of_one_argument_whatever_it_is(template: str, arguments: list[str]) -> None:
    assert parse_command(template).arguments("/d/" + NASTY, NASTY, "00ff") == arguments


@pytest.mark.parametrize("text", ["", "  ", "echo 'half"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_command(text)


def test_a_command_runs_on_completion_and_no_name_is_taken_for_code(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared" / NASTY
    shared.parent.mkdir()
    shared.write_bytes(bytes(50_000))
    script, told = tmp_path / "tell.py", tmp_path / "told.json"
    script.write_text(TELL)
    monkeypatch.setenv("TOLD", str(told))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with launching(tmp_path) as launch:
        port = free_port()
        seeder = launch("share", shared, "--no-dht", "--bind", "127.0.0.1", "--port", port, "--state", tmp_path / "s")
        assert seeder.stdout is not None
        magnet = seeder.stdout.readline().strip()
        command = f"{sys.executable} {script} {{name}} {{path}} {{infohash}}"
        options = ("--peer", f"127.0.0.1:{port}", "--state", tmp_path / "state", "--on-complete", command, "--json")
        result = invoke("get", magnet, "--dir", work, *options, *OFFLINE)
    assert result.code == ExitCode.DONE
    [ran] = [record for record in result.records if record["event"] == "on_complete"]
    assert (ran["exit_code"], ran["message"]) == (0, "")
    path, info_hash = str(work / NASTY), str(parse_magnet(magnet).info_hash)
    environment = {"MAGNETITE_PATH": path, "MAGNETITE_NAME": NASTY, "MAGNETITE_INFOHASH": info_hash}
    assert json.loads(told.read_text()) == [[NASTY, path, info_hash], environment]
    assert [file.name for file in work.iterdir()] == [NASTY]


@pytest.mark.parametrize(
    ("command", "told"), [("false", "false: ended with 1"), ("/nonexistent/it {path}", "/nonexistent/it: No such file")]
)
def test_a_command_that_fails_is_told_and_changes_nothing(
    invoke: Invoke, seeder: Seeder, tmp_path: Path, command: str, told: str
) -> None:
    magnet, peer = seeder
    options = ("--dir", tmp_path / "out", "--state", tmp_path / "state", "--on-complete", command)
    result = invoke("get", magnet, "--peer", peer, *options, *OFFLINE)
    assert result.code == ExitCode.DONE
    assert f"magnetite: --on-complete: {told}" in result.err


def test_a_download_waits_in_its_folder_and_is_shared_from_the_other_when_it_is_complete(
    start: Start, invoke: Invoke, seeder: Seeder, payload: Path, tmp_path: Path
) -> None:
    magnet, peer = seeder
    options = ("--dir", "out", "--incomplete-dir", "wait", "--state", tmp_path / "state")
    process = start("get", magnet, "--peer", peer, *options, "--keep-seeding", "--preallocate", *OFFLINE)
    assert process.stdout is not None
    assert str(tmp_path / "out" / "payload") in process.stdout.readline()
    assert content(tmp_path / "out" / "payload") == content(payload)
    assert not list((tmp_path / "wait").iterdir())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == ExitCode.INTERRUPTED
    again = ("--dir", tmp_path / "out", "--incomplete-dir", tmp_path / "wait", "--state", tmp_path / "state")
    assert invoke("get", magnet, *again, *OFFLINE).code == ExitCode.DONE, "it is complete: nobody is needed"


def test_the_same_folder_twice_is_one_folder(invoke: Invoke, seeder: Seeder, payload: Path, tmp_path: Path) -> None:
    magnet, peer = seeder
    options = ("--dir", tmp_path, "--incomplete-dir", tmp_path / "x" / "..", "--state", tmp_path / "state")
    (tmp_path / "x").mkdir()
    assert invoke("get", magnet, "--peer", peer, *options, *OFFLINE).code == ExitCode.DONE
    assert content(tmp_path / "payload") == content(payload)


def test_who_interrupts_a_download_that_waits_for_the_disk_is_told_so(
    start: Start, seeder: Seeder, small_disk: Path, tmp_path: Path
) -> None:
    magnet, peer = seeder
    process = start("get", magnet, "--peer", peer, "--dir", small_disk, "--state", tmp_path / "state", *OFFLINE)
    assert process.stderr is not None
    line = next(line for line in process.stderr if "paused" in line)
    assert str(small_disk) in line
    assert line.endswith("the disk is full; make room; trying again every 10 s\n")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == ExitCode.DISK_FULL
    assert "the disk is full" in err
    assert "Traceback" not in err
