"""What is left of a download after kill -9, on the loopback interface with a slow libtorrent seed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.interop.conftest import Payload, require
from tests.interop.lab import HERE, wait_until

pytestmark = pytest.mark.interop

UNBUFFERED = {**os.environ, "PYTHONUNBUFFERED": "1"}
SEED_RATE = 5_000_000  # bytes/s: slow enough to be interrupted


@pytest.fixture
def seed(payload: Payload, tmp_path: Path) -> Iterator[int]:
    """A libtorrent seed on a port of the loopback interface."""
    require(None if find_spec("libtorrent") else "not installed: libtorrent")
    command = [sys.executable, HERE / "libtorrent_peer.py", "seed", payload.torrent, payload.folder]
    options = ["--listen", "127.0.0.1:0", "--rate", str(SEED_RATE)]
    log = tmp_path / "seed"
    with log.open("wb") as output, subprocess.Popen([*command, *options], stdout=output, env=UNBUFFERED) as process:
        wait_until(lambda: "port" in log.read_text(), 20, "the seed")
        yield int(log.read_text().split()[1])
        process.kill()


def get(payload: Payload, tmp_path: Path, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "magnetite", "get", payload.magnet, "--json", "--no-dht", "--bind", "127.0.0.1"]
    where = ["--port", "0", "--peer", f"127.0.0.1:{port}", "--dir", tmp_path / "ours", "--state", tmp_path / "state"]
    return subprocess.Popen([*command, *where], stdout=subprocess.PIPE, text=True)


def test_a_download_killed_in_the_middle_goes_on_and_fetches_no_verified_piece_again(
    payload: Payload, seed: int, tmp_path: Path
) -> None:
    whole = payload.metainfo.length
    with get(payload, tmp_path, seed) as first:
        assert first.stdout is not None
        for line in first.stdout:
            record = json.loads(line)
            if record["event"] == "piece_verified" and record["have"] * 2 > record["of"]:
                break
        first.send_signal(signal.SIGKILL)
    verified = record["have"] * payload.metainfo.piece_length
    ours = tmp_path / "ours"
    finished = [path for path in ours.rglob("*") if path.is_file() and path.suffix != ".part"]
    assert all(path.read_bytes() == (payload.folder / path.relative_to(ours)).read_bytes() for path in finished)
    with get(payload, tmp_path, seed) as second:
        output, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    [completed] = [record for record in map(json.loads, output.splitlines()) if record["event"] == "download_completed"]
    assert payload.is_in(ours)
    # One piece more, for the last one is short and may be among the verified.
    assert completed["downloaded"] <= whole - verified + payload.metainfo.piece_length
