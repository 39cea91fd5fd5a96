"""Bare magnets between magnetite and other clients, who find each other in a DHT of real nodes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Payload, missing_program, require
from tests.interop.lab import HERE, ROUTER, Lab, address_of, kill, wait_for, wait_until

pytestmark = pytest.mark.interop

THEIRS, OURS = 1, 2  # the clients' numbers in the lab
MAGNETITE = (sys.executable, "-m", "magnetite")


@pytest.fixture
def spawn(lab: Lab, dht: None, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a client in the lab; whatever still runs when the test ends is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path, client: int, name: str) -> subprocess.Popen[bytes]:
        running.append(lab.spawn(*command, client=client, log=tmp_path / name))
        return running[-1]

    yield start
    for process in running:
        kill(process)


def our_network(tmp_path: Path) -> tuple[str, ...]:
    return ("--bind", address_of(OURS), "--bootstrap", ROUTER, "--state", str(tmp_path / "state"))


def libtorrent(role: str, what: str | Path, folder: Path) -> tuple[str | Path, ...]:
    script = HERE / "libtorrent_peer.py"
    return (sys.executable, script, role, what, folder, "--listen", f"{address_of(THEIRS)}:7001", "--router", ROUTER)


def aria2(folder: Path, what: str | Path, *options: str) -> tuple[str | Path, ...]:
    require(missing_program("aria2c"))
    return (
        "aria2c",
        "--no-conf",
        f"--interface={address_of(THEIRS)}",
        "--listen-port=7001",
        "--dht-listen-port=7001",
        f"--dht-entry-point={ROUTER}",
        f"--dht-file-path={folder}/dht.dat",
        "--enable-dht6=false",
        "--disable-ipv6=true",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
        "--file-allocation=none",
        "--allow-overwrite=true",
        f"--dir={folder}",
        *options,
        what,
    )


@pytest.fixture(params=["libtorrent", "aria2"])
def their_seed(request: pytest.FixtureRequest, payload: Payload, tmp_path: Path) -> tuple[str | Path, ...]:
    """The command of a seed of another client."""
    if request.param == "libtorrent":
        return libtorrent("seed", payload.torrent, payload.folder)
    folder = tmp_path / "theirs"
    shutil.copytree(payload.folder / payload.metainfo.name, folder / payload.metainfo.name)
    return aria2(folder, payload.torrent, "--check-integrity=true", "--seed-ratio=0")


@pytest.fixture(params=["libtorrent", "aria2"])
def their_leech(request: pytest.FixtureRequest, payload: Payload, tmp_path: Path) -> tuple[str | Path, ...]:
    """The command of a client that opens the magnet and leaves when it has everything."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    if request.param == "libtorrent":
        return libtorrent("leech", payload.magnet, folder)
    return aria2(folder, payload.magnet, "--seed-time=0")


def test_we_download_from_a_seed_that_only_announced_in_the_dht(
    spawn: Callable[..., subprocess.Popen[bytes]],
    payload: Payload,
    their_seed: tuple[str | Path, ...],
    tmp_path: Path,
) -> None:
    spawn(*their_seed, client=THEIRS, name="seed")
    get = (*MAGNETITE, "get", payload.magnet, "--dir", tmp_path / "ours", *our_network(tmp_path))
    wait_for(spawn(*get, client=OURS, name="get"), 90, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")


def test_they_download_from_a_seed_of_ours_that_only_announced_in_the_dht(
    spawn: Callable[..., subprocess.Popen[bytes]],
    payload: Payload,
    their_leech: tuple[str | Path, ...],
    tmp_path: Path,
) -> None:
    share = (*MAGNETITE, "share", payload.folder / payload.metainfo.name, *our_network(tmp_path))
    spawn(*share, client=OURS, name="share")
    wait_until(lambda: str(payload.metainfo.info_hash) in (tmp_path / "share").read_text(), 30, "our magnet")
    wait_for(spawn(*their_leech, client=THEIRS, name="leech"), 120, tmp_path / "leech")
    assert payload.is_in(tmp_path / "theirs")
