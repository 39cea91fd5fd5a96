"""What is left of a download after kill -9, on the loopback interface with a libtorrent seed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random

import pytest

from magnetite.storage.resume import load_resume
from magnetite.torrent import pieces
from tests.interop.conftest import Payload, Start
from tests.interop.loopback import HOST, get, libtorrent_seed
from tests.interop.running import Running

pytestmark = pytest.mark.interop

KILLS = 20
RATE = 2_000_000  # bytes/s while it is killed again and again: so slow that it is not complete before
LIVES_FOR = 0.4  # seconds at most from when it begins to fetch, or twice that from its start
# Flushes every now and then, not twice a minute, so that it is killed before, in the middle of, and after one.
FLUSHING_OFTEN = """
from magnetite.swarm import keeper
keeper.FLUSH_EVERY = 0.1
from magnetite.cli import main
main()
"""


def test_a_download_killed_in_the_middle_goes_on_and_fetches_no_verified_piece_again(
    start: Start, payload: Payload, tmp_path: Path
) -> None:
    seed = start(*libtorrent_seed(payload, "--rate", "5000000"), name="seed")
    command = get(payload, tmp_path, "--peer", f"{HOST}:{port_of(seed)}")
    first = start(*command, name="first")
    first.await_pieces(payload.metainfo.piece_count // 2)
    first.kill()
    verified = first.pieces * payload.metainfo.piece_length
    ours = tmp_path / "ours"
    finished = [path for path in ours.rglob("*") if path.is_file() and path.suffix != ".part"]
    assert all(path.read_bytes() == (payload.folder / path.relative_to(ours)).read_bytes() for path in finished)
    second = start(*command, name="second")
    second.wait(60)
    [completed] = second.events("download_completed")
    assert payload.is_in(ours)
    # One piece more, for the last one is short and may be among the verified.
    assert completed["downloaded"] <= payload.metainfo.length - verified + payload.metainfo.piece_length


def test_a_download_killed_twenty_times_is_right_in_the_end_and_fetches_nothing_again_that_was_safe(
    start: Start, many_files: Payload, tmp_path: Path
) -> None:
    """Safe is what a run that never flushed has verified, for it is hashed again, and what resume data claims."""
    rng = Random(20)
    seed = start(*libtorrent_seed(many_files), name="seed")
    command = get(many_files, tmp_path, "--peer", f"{HOST}:{port_of(seed)}")
    options = command[command.index("get") :]
    safe: set[int] = set()
    for number in range(KILLS):
        flushes = number >= KILLS // 2
        order = ("--sequential",) if number % 2 else ()  # which completes file after file
        program = (sys.executable, "-c", FLUSHING_OFTEN, *options) if flushes else command
        client = start(*program, *order, "--max-download", str(RATE), name=f"get{number}")
        from_start = number % 4 == 0
        if not from_start:
            client.hear("checks_finished")
        time.sleep(rng.uniform(0, LIVES_FOR * (1 + from_start)))
        assert client.is_running, client.log.read_text()[-4000:]
        client.kill()
        fetched, claimed = verified_by(client), claims(many_files, tmp_path)
        assert not fetched & safe, f"{client.log.name} has fetched again what was there"
        safe |= claimed if flushes else fetched
    assert claimed, "it was killed after a flush, too"
    last = start(*command, name="last")
    last.wait(20)
    assert many_files.is_in(tmp_path / "ours")
    assert not verified_by(last) & safe


def port_of(seed: Running) -> int:
    return int(seed.hear("port").split()[1])


def verified_by(client: Running) -> set[int]:
    """The pieces that a run has fetched."""
    return {int(str(record["piece"])) for record in client.events("piece_verified")}


def claims(payload: Payload, folder: Path) -> set[int]:
    """The pieces that resume data says are on the disk itself."""
    resume = load_resume(folder / "state" / "resume" / f"{payload.metainfo.info_hash}.resume")
    return set(pieces.indices(resume.verified)) if resume else set()
