"""aria2c and magnetite on the loopback interface, in both directions, each of them killed in the middle once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.benchmarks.transfer_tracker import tracking
from tests.interop.conftest import Payload, Start
from tests.interop.lab import wait_until
from tests.interop.loopback import HOST, aria2, await_listener, free_port, get, share

pytestmark = pytest.mark.interop

RATE = "4M"  # bytes/s: slow enough to be interrupted
SEEDING = ("--check-integrity=true", "--seed-ratio=0", "--allow-overwrite=true", f"--max-upload-limit={RATE}")


@pytest.fixture
def theirs(payload: Payload, tmp_path: Path) -> Path:
    """A copy for aria2 to seed, for it writes to what it seeds."""
    folder = tmp_path / "theirs"
    shutil.copytree(payload.folder / payload.metainfo.name, folder / payload.metainfo.name)
    return folder


def test_we_finish_what_an_aria2_that_was_killed_began_to_send(
    start: Start, payload: Payload, theirs: Path, tmp_path: Path
) -> None:
    our_port, their_port = free_port(), free_port()
    with tracking([f"{HOST}:{our_port}"]) as tracker:
        command = aria2(payload, theirs, tracker, their_port, *SEEDING)
        seed = start(*command, name="seed")
        await_listener(their_port)
        ours = start(*get(payload, tmp_path, "--peer", f"{HOST}:{their_port}", port=our_port), name="get")
        ours.await_pieces(payload.metainfo.piece_count // 3)
        seed.kill()
        start(*command, name="seed again")
        ours.wait(20)
    assert payload.is_in(tmp_path / "ours")


def test_an_aria2_finishes_what_we_began_to_send_before_we_were_killed(
    start: Start, payload: Payload, tmp_path: Path
) -> None:
    port, folder = free_port(), tmp_path / "theirs"
    command = share(payload, tmp_path, port, "--max-upload", RATE)
    seed = start(*command, name="share")
    seed.hear("magnet:")
    with tracking([f"{HOST}:{port}"]) as tracker:
        leech = start(*aria2(payload, folder, tracker, free_port(), "--seed-time=0", "--disk-cache=0"), name="leech")
        seed.hear("unchoked")
        wait_until(lambda: size(folder) > 2_000_000, 20, "some of the content")
        seed.kill()
        start(*command, name="share again")
        leech.wait(20)
    assert payload.is_in(folder)


def size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*.bin"))
