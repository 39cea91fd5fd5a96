"""Bare magnets between magnetite and libtorrent over a line that loses packets, the DHT's included."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Payload, await_announce, make_payload, require
from tests.interop.lab import HERE, Lab, Spawn, kill, spawning, wait_for, wait_until
from tests.interop.lossy_line import FAR
from tests.interop.running import events
from tests.interop.test_other_clients import MAGNETITE, ROUTER, THEIRS, libtorrent

pytestmark = pytest.mark.interop

MIB = 1 << 20
DELAY = 0.025  # seconds one way
PATIENCE = 120  # seconds
LINES = [(0.01, 3 * MIB), (0.05, MIB)]  # what is lost of each direction, and how much is to get through
CARRIERS = [("--no-tcp",), ()]


@pytest.fixture(params=LINES, ids=lambda line: f"{line[0]:.0%} lost")
def line(
    request: pytest.FixtureRequest, lab: Lab, dht: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Payload]:
    """A torrent that is to pass a line; the lab's DHT is on this side of it."""
    loss, length = request.param
    require(None if Path("/dev/net/tun").exists() else "no /dev/net/tun")
    folder = tmp_path_factory.mktemp("line")
    log = folder / "log"
    process = lab.spawn(sys.executable, HERE / "lossy_line.py", str(loss), str(DELAY), log=log)
    wait_until(lambda: "ready" in log.read_text(), 20, "the line")
    yield make_payload(folder, {("one.bin",): length})
    kill(process)
    wait_for(lab.spawn("ip", "netns", "delete", "far", log=log), 20, log)


@pytest.fixture
def spawn(lab: Lab, tmp_path: Path) -> Iterator[Spawn]:
    with spawning(lab, tmp_path) as start:
        yield start


def ours(*arguments: str | Path, folder: Path) -> tuple[str | Path, ...]:
    return (*MAGNETITE, *arguments, "--bind", FAR, "--bootstrap", ROUTER, "--state", folder / "state", "--json")


@pytest.mark.parametrize("options", CARRIERS, ids=["uTP alone", "either"])
def test_we_download_from_a_seed_at_the_other_end(
    spawn: Spawn, line: Payload, dht: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    spawn(*libtorrent("seed", line.torrent, line.folder), *options, client=THEIRS, name="seed")
    await_announce(dht, line.metainfo.info_hash, THEIRS)
    get = ours("get", line.magnet, "--dir", tmp_path / "ours", folder=tmp_path)
    wait_for(spawn(*get, client="far", name="get"), PATIENCE, tmp_path / "get")
    assert line.is_in(tmp_path / "ours")
    if options:
        assert {record["carrier"] for record in events(tmp_path / "get", "peer_connected")} == {"utp"}


@pytest.mark.parametrize("options", CARRIERS, ids=["uTP alone", "either"])
def test_a_leech_at_the_other_end_downloads_from_us(
    spawn: Spawn, line: Payload, tmp_path: Path, options: tuple[str, ...]
) -> None:
    spawn(*ours("share", line.folder / line.metainfo.name, folder=tmp_path), client="far", name="share")
    wait_until(lambda: bool(events(tmp_path / "share", "announced")), 60, "our announce")
    leech = libtorrent("leech", line.magnet, tmp_path / "theirs")
    wait_for(spawn(*leech, *options, client=THEIRS, name="leech"), PATIENCE, tmp_path / "leech")
    assert line.is_in(tmp_path / "theirs")
    if options:
        assert {record["carrier"] for record in events(tmp_path / "share", "peer_connected")} == {"utp"}
