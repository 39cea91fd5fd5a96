from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from magnetite.cli.exit_codes import MEANINGS, ExitCode, exit_code
from magnetite.cli.report import Report
from magnetite.cli.run import run
from magnetite.errors import MagnetiteError, Reason
from tests.cli.conftest import OFFLINE, PATIENCE, Invoke, Start
from tests.cli.torrents import INFO_HASH, V2_MAGNET, write_torrent


def test_every_code_has_a_meaning_and_is_in_the_documentation() -> None:
    documentation = Path(__file__).parents[2].joinpath("docs", "cli.md").read_text()
    assert set(MEANINGS) == set(ExitCode)
    assert not [code for code in ExitCode if f"| {code} |" not in documentation]


def test_only_done_is_success() -> None:
    assert [reason for reason in Reason if exit_code(reason) == 0] == [Reason.DONE]


def test_0_done(invoke: Invoke, payload: Path, tmp_path: Path) -> None:
    assert invoke("create", payload, "-o", tmp_path / "a.torrent").code == ExitCode.DONE


def test_1_for_a_reason_without_a_code(capfd: pytest.CaptureFixture[str]) -> None:
    async def verb(report: Report) -> None:
        raise MagnetiteError("it went wrong", Reason.BANNED)

    with pytest.raises(SystemExit) as exit_info:
        run(verb)
    assert exit_info.value.code == ExitCode.FAILED
    assert capfd.readouterr().err == "magnetite: it went wrong\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["get"],
        ["get", INFO_HASH, "--peer", "nowhere"],
        ["get", INFO_HASH, "--peer", "2001:db8::1:6881"],
        ["get", INFO_HASH, "--bootstrap", "a:0"],
        ["get", INFO_HASH, "--bind", "localhost"],
        ["get", INFO_HASH, "--port", "65536"],
        ["get", INFO_HASH, "--files", ""],
        ["get", INFO_HASH, "--files", "8-4"],
        ["get", INFO_HASH, "--seed-ratio", "-1"],
        ["get", INFO_HASH, "--seed-ratio", "nan"],
        ["get", INFO_HASH, "--seed-ratio", "1", "--keep-seeding"],
        ["info"],
        ["info", INFO_HASH, "--timeout", "soon"],
        ["peers", INFO_HASH, "--peer", "127.0.0.1:1"],
        ["node", "--bind", "0.0.0.0", "--bind", "localhost"],
        ["node", "--query-rate", "0"],
        ["node", "--answer-budget", "nan"],
        ["node", "--read-only", "maybe"],
        ["node", "--metrics", "9881"],
    ],
)
def test_2_for_arguments_that_make_no_sense(invoke: Invoke, arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.code == ExitCode.USAGE
    assert not result.out
    assert "Traceback" not in result.err
    assert "Error: " in result.err


def test_2_where_no_file_is_selected(invoke: Invoke, tmp_path: Path) -> None:
    torrent = write_torrent(tmp_path / "a.torrent")
    result = invoke("get", torrent, "--files", "*.mkv", "--dir", tmp_path / "out", "--state", tmp_path / "s", *OFFLINE)
    assert result.code == ExitCode.USAGE
    assert "*.mkv" in result.err


@pytest.mark.parametrize(
    "torrent",
    [
        "",
        "nonsense",
        "magnet:",
        "magnet:?xt=urn:btih:abc",
        "http://example.org/a.torrent",
        "z" * 40,
        "\udcff",
        "x" * 9999,
    ],
)
@pytest.mark.parametrize("verb", ["get", "info", "peers"])
def test_3_for_what_is_no_magnet_link(invoke: Invoke, verb: str, torrent: str) -> None:
    result = invoke(verb, torrent)
    assert result.code == ExitCode.INVALID_TORRENT
    assert result.err.startswith("magnetite: ")


def test_3_for_what_is_no_torrent_and_the_message_names_the_file(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "a.torrent").write_text("not a torrent")
    result = invoke("get", tmp_path / "a.torrent")
    assert result.code == ExitCode.INVALID_TORRENT
    assert "a.torrent" in result.err


def test_4_for_a_private_torrent(invoke: Invoke, tmp_path: Path) -> None:
    torrent = write_torrent(tmp_path / "a.torrent", private=1)
    assert invoke("get", torrent, "--state", tmp_path / "state", *OFFLINE).code == ExitCode.PRIVATE_TORRENT


@pytest.mark.parametrize("verb", ["get", "info", "peers"])
def test_5_for_a_link_of_version_2_only(invoke: Invoke, verb: str) -> None:
    assert invoke(verb, V2_MAGNET).code == ExitCode.UNSUPPORTED


def test_6_for_an_address_that_is_not_ours(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("get", INFO_HASH, "--bind", "192.0.2.1", "--state", tmp_path)
    assert result.code == ExitCode.NETWORK
    assert "192.0.2.1" in result.err


@pytest.mark.parametrize("verb", [["node"], ["peers", INFO_HASH]])
def test_6_for_a_port_that_is_taken(invoke: Invoke, verb: list[str], tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        result = invoke(*verb, "--bind", "127.0.0.1", "--port", port, "--state", tmp_path)
    assert result.code == ExitCode.NETWORK
    assert str(port) in result.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_7_for_a_full_disk(invoke: Invoke, payload: Path) -> None:
    result = invoke("create", payload, "-o", "/dev/full")
    assert result.code == ExitCode.DISK_FULL
    assert "/dev/full" in result.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_7_for_output_to_a_full_disk(payload: Path, tmp_path: Path, form: list[str]) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "magnetite", "create", str(payload), "-o", str(tmp_path / "a.torrent"), *form]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == ExitCode.DISK_FULL
    assert ended.stderr.endswith("magnetite: standard output: the disk is full; make room\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "missing.torrent"],
        ["get", "."],
        ["info", "--from", "missing.txt"],
        ["info", "--from", "."],
        ["create", "missing"],
        ["share", "missing"],
        ["get", INFO_HASH, "--dir", "file"],
        ["create", ".", "-o", "file/a.torrent"],
    ],
)
def test_8_for_files_that_cannot_be_used(
    invoke: Invoke, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")
    result = invoke(*arguments)
    assert result.code == ExitCode.FILES
    assert "magnetite: " in result.err
    assert "Traceback" not in result.err


def test_9_when_the_time_is_over(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("info", INFO_HASH, "--timeout", "0.05", "--state", tmp_path, *OFFLINE)
    assert result.code == ExitCode.TIMEOUT
    assert INFO_HASH in result.err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_130_and_143_for_a_signal_and_nothing_is_left_behind(
    start: Start, tmp_path: Path, number: signal.Signals, code: ExitCode
) -> None:
    process = start("get", INFO_HASH, "--dir", "out", "--state", tmp_path / "state", *OFFLINE)
    assert process.stderr is not None
    assert "0 peers known" in process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=2)
    assert process.returncode == code
    assert not out
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_is_done_when_it_is_stopped_by_sigterm(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    process = start("node", "--bind", "127.0.0.1", "--port", 0, "--bootstrap", "none", "--state", tmp_path / "state")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("node ")
    process.send_signal(number)
    _, err = process.communicate(timeout=2)
    assert process.returncode == (ExitCode.INTERRUPTED if number is signal.SIGINT else ExitCode.DONE)
    assert "Traceback" not in err


def test_141_when_nobody_reads_any_more(start: Start, tmp_path: Path) -> None:
    process = start("info", INFO_HASH, "--json", "--timeout", "0.3", "--state", tmp_path, *OFFLINE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(PATIENCE) == ExitCode.BROKEN_PIPE
    assert process.stderr is not None
    assert "Error" not in process.stderr.read()
