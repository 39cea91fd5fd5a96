from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from magnetite.cli.exit_codes import ExitCode
from magnetite.cli.report import Report
from magnetite.cli.run import DRAIN, run
from magnetite.errors import InvalidMagnet, Reason, StorageError
from tests.cli.conftest import OFFLINE, PATIENCE, Start

SRC = Path(__file__).parents[2] / "src"

SLOW_TO_SAVE = """
import trio
from magnetite.cli.run import run

async def verb(report):
    report.say("running")
    try:
        await trio.sleep_forever()
    finally:
        report.say("saving")
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

run(verb)
"""

MUCH_TO_SAY = """
import trio
from magnetite.cli.run import run
from magnetite.events import Event

async def verb(report):
    for moment in range(20_000):
        report.observe(Event(moment))
    await trio.sleep(0.2)
    report.say("the verb goes on")
    await trio.sleep_forever()

run(verb, as_json=True)
"""


def test_the_second_ctrl_c_does_not_wait_for_anything() -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW_TO_SAVE], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process:
        assert process.stderr.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "saving\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(2) == ExitCode.INTERRUPTED


def test_errors_inside_groups_are_reported_like_any_other(capfd: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        raise StorageError("no room", Reason.DISK_FULL)

    async def verb(report: Report) -> None:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            outer.start_soon(trio.sleep_forever)
            inner.start_soon(fail)

    with pytest.raises(SystemExit) as exit_info:
        run(verb)
    assert exit_info.value.code == ExitCode.DISK_FULL
    assert capfd.readouterr().err == "magnetite: no room\n"


def test_a_bug_is_not_dressed_up_as_an_error_of_the_user() -> None:
    async def verb(report: Report) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        run(verb)


def test_every_run_has_a_first_and_a_last_record_whatever_happens(capfd: pytest.CaptureFixture[str]) -> None:
    async def verb(report: Report) -> None:
        raise InvalidMagnet("half a link")

    with pytest.raises(SystemExit):
        run(verb, as_json=True)
    first, last = capfd.readouterr().out.splitlines()
    assert first.startswith('{"v": 1, "event": "started", "version": "')
    assert last == (
        '{"v": 1, "event": "finished", "reason": "invalid_magnet", "exit_code": 3, "message": "half a link"}'
    )


def test_a_reader_that_has_stopped_reading_stops_neither_the_verb_nor_its_end() -> None:
    command = [sys.executable, "-c", MUCH_TO_SAY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process:
        assert process.stderr.readline() == "the verb goes on\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(DRAIN + 2) == ExitCode.INTERRUPTED


def test_a_disk_that_fails_in_the_middle_ends_a_download_with_a_message(
    start: Start, seeder: tuple[str, str], tmp_path: Path
) -> None:
    magnet, peer = seeder
    process = start("get", magnet, "--dir", "out", "--state", tmp_path / "state", *OFFLINE, "--peer", peer)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (50_000, 50_000))  # bytes of a file
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == ExitCode.FILES
    assert "magnetite: " in err
    assert "one.bin" in err
    assert "Traceback" not in err


INTERRUPTED_WHILE_IMPORTING = """
import builtins, os, signal, sys
from magnetite.cli import main

importing = builtins.__import__

def interrupt(name, *rest):
    if name == WHERE:
        os.kill(os.getpid(), signal.SIGINT)
        list(range(100_000))  # Python looks for signals now and then
    return importing(name, *rest)

builtins.__import__ = interrupt
main(["create", "nothing"])
"""


@pytest.mark.parametrize("where", ["trio", "magnetite.torrent.metainfo", "magnetite.storage.create"])
def test_ctrl_c_while_the_program_is_imported_ends_it_in_silence(where: str) -> None:
    program = INTERRUPTED_WHILE_IMPORTING.replace("WHERE", repr(where))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.INTERRUPTED, "", "")


def test_little_is_imported_before_ctrl_c_is_listened_to() -> None:
    program = "import sys, magnetite.cli; print([name for name in ('typing', 'trio', 'click') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, cwd=SRC, timeout=PATIENCE)
    assert ended.stdout == b"[]\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(closed: str, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"film" * 1000)
    command = f'"{sys.executable}" -m magnetite create film {closed}'
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, timeout=PATIENCE).returncode == ExitCode.DONE
    assert (tmp_path / "film.torrent").read_bytes().startswith(b"d"), "nothing else was written into it"
