"""Several torrents at once: none waits for another, and what fails is said and told by the exit code."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from magnetite.cli.exit_codes import ExitCode
from magnetite.cli.explaining import STILL_AFTER, Stillness
from magnetite.cli.many import Failure, status_of_all, worst_of
from magnetite.cli.status import Phase
from magnetite.download import Progress
from magnetite.errors import InvalidMagnet, MagnetiteError, Reason, StorageError
from magnetite.ids import InfoHash
from tests.cli.conftest import OFFLINE, PATIENCE, Invoke, Start
from tests.cli.torrents import INFO_HASH, write_torrent


def progress(present: int, length: int | None, **fields) -> Progress:
    usual = {
        "info_hash": InfoHash(1),
        "name": None,
        "pieces": 1,
        "pieces_present": 0,
        "is_checked": True,
        "pieces_checked": 0,
    }
    usual |= {"pieces_to_check": 0, "is_complete": present == length, "peers": 2, "peers_known": 2, "dialling": 0}
    usual |= {"copies": 0, "download_rate": 0.0, "upload_rate": 0.0, "downloaded": 0, "uploaded": 0}
    return Progress(**{**usual, "present": present, "length": length, **fields})


def test_the_status_line_sums_them_up() -> None:
    every = [progress(1 << 20, 1 << 20), progress(1 << 20, 3 << 20, download_rate=1 << 20), progress(0, None)]
    status = status_of_all(every, 1)
    assert status.phase is Phase.DOWNLOADING
    assert status.words == (
        "1 of 4 torrents done, 1 failed, 1 without metadata yet: 2.0 MiB of 4.0 MiB, 1.0 MiB/s from 6 peers, 2.0 s left"
    )
    assert (status.done, status.total) == (2 << 20, 4 << 20)


def test_the_status_line_of_complete_paused_waiting_and_of_no_torrents() -> None:
    assert status_of_all([progress(5, 5)], 0).phase is Phase.SEEDING
    paused = status_of_all([progress(0, 5, paused=(Reason.DISK_FULL, ""))], 0)
    assert paused.phase is Phase.WAITING
    assert "1 paused" in paused.words
    assert status_of_all([], 2).words.startswith("0 of 2 torrents done, 2 failed")


def test_the_worst_failure_is_the_one_with_the_highest_exit_code() -> None:
    failures = [
        Failure("a", InvalidMagnet("no")),
        Failure("b", StorageError("no", Reason.DISK_FULL)),
        Failure("c", MagnetiteError("no")),
    ]
    assert worst_of(failures).reason is Reason.DISK_FULL


def test_what_sits_still_is_due_once_and_again_after_it_has_moved() -> None:
    stillness, torrent = Stillness(), InfoHash(1)
    assert not stillness.is_due(torrent, "a", 0)
    assert not stillness.is_due(torrent, "a", STILL_AFTER - 1)
    assert stillness.is_due(torrent, "a", STILL_AFTER)
    assert not stillness.is_due(torrent, "a", 10 * STILL_AFTER)
    assert not stillness.is_due(torrent, "b", 11 * STILL_AFTER)
    assert stillness.is_due(torrent, "b", 12 * STILL_AFTER)


def test_get_downloads_several_at_once_and_says_what_failed(
    invoke: Invoke, seeder: tuple[str, str], payload: Path, tmp_path: Path
) -> None:
    magnet, peer = seeder
    private = write_torrent(tmp_path / "private.torrent", private=1)
    options = ("--peer", peer, "--dir", tmp_path / "out", "--state", tmp_path / "state", *OFFLINE)
    result = invoke("get", "nonsense", magnet, private, magnet, "--max-download", "50M", "--max-peers", "9", *options)
    assert result.code == ExitCode.PRIVATE_TORRENT
    assert result.out.count("verified, in") == 1
    assert "argument 1: " in result.err
    assert "byte: " in result.err
    assert "2 torrents could not be downloaded" in result.err
    assert (tmp_path / "out" / "payload" / "one.bin").read_bytes() == (payload / "one.bin").read_bytes()


def test_get_of_several_that_all_make_no_sense_ends_at_once(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("get", "nonsense", "more", "--state", tmp_path / "state", *OFFLINE)
    assert result.code == ExitCode.INVALID_TORRENT


@pytest.mark.parametrize("option", [("--files", "*.txt"), ("--follow",), ("--serve",)])
def test_what_is_for_one_torrent_is_refused_with_several(invoke: Invoke, option: tuple[str, ...]) -> None:
    result = invoke("get", *option, INFO_HASH, "11" * 20)
    assert result.code == ExitCode.USAGE
    assert "for one torrent" in result.err


def test_what_follows_serve_and_is_no_address_is_shown_as_the_torrent_it_is_taken_for(invoke: Invoke) -> None:
    result = invoke("get", "--serve", "nonsense", INFO_HASH)
    assert result.code == ExitCode.USAGE
    assert "'nonsense'" in result.err


@pytest.mark.parametrize("rate", ["fast", "1", "-5k", "1e3", "5x", "", "nan"])
def test_a_rate_that_makes_no_sense_is_refused(invoke: Invoke, rate: str) -> None:
    assert invoke("get", INFO_HASH, "--max-download", rate).code == ExitCode.USAGE


def test_get_explain_says_why_at_the_end(start: Start, tmp_path: Path) -> None:
    process = start("get", INFO_HASH, "--explain", "--state", tmp_path / "state", *OFFLINE)
    assert process.stderr is not None
    assert process.stderr.readline()  # of the status: it is at work
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "  No peer is connected.\n" in err
    assert "  The DHT is off" in err
