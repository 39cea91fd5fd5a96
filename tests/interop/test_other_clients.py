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

THEIRS, OURS, LEECH = 1, 2, 3  # the clients' numbers in the lab
MAGNETITE = (sys.executable, "-m", "magnetite")


@pytest.fixture
def spawn(lab: Lab, dht: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a client in the lab; whatever still runs when the test ends is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path, client: int | None, name: str) -> subprocess.Popen[bytes]:
        running.append(lab.spawn(*command, client=client, log=tmp_path / name))
        return running[-1]

    yield start
    for process in running:
        kill(process)


def our_network(tmp_path: Path) -> tuple[str, ...]:
    return ("--bind", address_of(OURS), "--bootstrap", ROUTER, "--state", str(tmp_path / "state"))


def libtorrent(
    role: str, what: str | Path, folder: Path, *, client: int = THEIRS, router: str = ROUTER
) -> tuple[str | Path, ...]:
    script = HERE / "libtorrent_peer.py"
    return (sys.executable, script, role, what, folder, "--listen", f"{address_of(client)}:7001", "--router", router)


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


def test_two_libtorrents_meet_in_a_dht_that_is_all_ours(
    lab: Lab, spawn: Callable[..., subprocess.Popen[bytes]], payload: Payload, tmp_path: Path
) -> None:
    router = "10.1.0.1:7881"
    for number in range(1, 5):
        bootstrap = ("--bootstrap", router if number > 1 else "none", "--state", str(tmp_path / f"state{number}"))
        address = ("--bind", f"10.{number}.0.1", "--port", "7881")
        spawn(*MAGNETITE, "node", *address, *bootstrap, "--json", client=None, name=f"node{number}")
    wait_until(lambda: "bootstrap_finished" in (tmp_path / "node4").read_text(), 30, "our DHT")
    spawn(*libtorrent("seed", payload.torrent, payload.folder, router=router), client=THEIRS, name="seed")
    logs = [tmp_path / f"node{number}" for number in range(1, 5)]
    wait_until(lambda: any("peer_stored" in log.read_text() for log in logs), 60, "the seed's announce")
    leech = libtorrent("leech", payload.magnet, tmp_path / "theirs", client=LEECH, router=router)
    wait_for(spawn(*leech, client=LEECH, name="leech"), 90, tmp_path / "leech")
    assert payload.is_in(tmp_path / "theirs")
