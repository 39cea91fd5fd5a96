"""libtorrent seeds that choke us, die or lie while we download from them, and one that sees our seed die."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.interop.conftest import Payload, Start
from tests.interop.lab import wait_until
from tests.interop.loopback import HOST, free_port, get, libtorrent, libtorrent_seed, share
from tests.interop.running import Running

pytestmark = pytest.mark.interop

RATE = "4000000"  # bytes/s: slow enough to be interrupted
OTHER_HOST = "127.0.0.2"  # bans are of addresses
DAMAGED_EVERY = 4  # pieces


def endpoint(seed: Running, host: str = HOST) -> str:
    return f"{host}:{seed.hear('port').split()[1]}"


def progress(leech: Running) -> float:
    """The share of the content that a libtorrent has."""
    return max((float(line.split()[2]) for line in leech.lines("downloading ")), default=0.0)


def test_a_seed_that_chokes_us_in_the_middle_and_unchokes_us_later_is_downloaded_from_again(
    start: Start, payload: Payload, tmp_path: Path
) -> None:
    seed = start(*libtorrent_seed(payload, "--rate", RATE, "--obey"), name="seed")
    ours = start(*get(payload, tmp_path, "--peer", endpoint(seed)), name="get")
    for part in (4, 2):
        ours.await_pieces(payload.metainfo.piece_count // part)
        seed.say("choke")
        seed.hear_anew("choking 1")
        before = ours.pieces
        seed.say("unchoke")
        ours.await_pieces(before + 8)  # more than may have been on their way
    ours.wait(20)
    assert payload.is_in(tmp_path / "ours")
    assert not ours.events("piece_failed")


def test_a_seed_that_is_killed_and_started_again_is_downloaded_from_again(
    start: Start, payload: Payload, tmp_path: Path
) -> None:
    port = free_port()
    first = start(*libtorrent_seed(payload, "--rate", RATE), name="first")
    ours = start(*get(payload, tmp_path, "--peer", endpoint(first), port=port), name="get")
    ours.await_pieces(payload.metainfo.piece_count // 3)
    first.kill()
    start(*libtorrent_seed(payload, "--peer", f"{HOST}:{port}"), name="second")  # it calls us
    ours.wait(20)
    assert payload.is_in(tmp_path / "ours")
    assert [record["source"] for record in ours.events("peer_connected")] == ["user", "incoming"]


def test_a_libtorrent_finishes_what_our_seed_began_to_send_before_it_was_killed(
    start: Start, payload: Payload, tmp_path: Path
) -> None:
    """By TCP, whose end the kernel tells. By uTP a libtorrent that has nothing on its way may wait for minutes."""
    port = free_port()
    command = share(payload, tmp_path, port, "--max-upload", RATE, "--no-utp")
    first = start(*command, name="first")
    first.hear("magnet:")
    leech = start(*libtorrent("leech", payload.magnet, tmp_path / "theirs", "--peer", f"{HOST}:{port}"), name="leech")
    wait_until(lambda: progress(leech) > 0.3, 20, "some of the content")
    first.kill()
    start(*command, name="second")
    leech.wait(20)
    assert payload.is_in(tmp_path / "theirs")


def test_a_liar_in_the_swarm_is_banned_and_the_honest_seed_is_not(
    start: Start, payload: Payload, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(payload.folder / payload.metainfo.name, damaged / payload.metainfo.name)
    with (damaged / "sample" / "a.bin").open("r+b") as file:
        for piece in range(0, 20_000_000 // payload.metainfo.piece_length, DAMAGED_EVERY):
            file.seek(piece * payload.metainfo.piece_length + 20_000)  # in the second block
            file.write(b"a lie")
    honest = start(*libtorrent_seed(payload, "--rate", RATE), name="honest")
    lying = libtorrent("seed", payload.torrent, damaged, "--rate", RATE, "--unchecked", host=OTHER_HOST)
    liar = start(*lying, name="liar")
    peers = ("--peer", endpoint(honest), "--peer", endpoint(liar, OTHER_HOST))
    ours = start(*get(payload, tmp_path, *peers), name="get")
    ours.wait(20)
    assert payload.is_in(tmp_path / "ours")
    assert ours.events("piece_failed")
    assert [record["endpoint"] for record in ours.events("peer_banned")] == [endpoint(liar, OTHER_HOST)]
