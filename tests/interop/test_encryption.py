"""Peers that only encrypt, or never do, and magnetite: on the loopback interface, in both directions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks.transfer_tracker import tracking
from tests.interop.conftest import Payload, Start, await_announce
from tests.interop.lab import Lab, kill, wait_for, wait_until
from tests.interop.loopback import HOST, aria2, await_listener, free_port, get, libtorrent, libtorrent_seed, share
from tests.interop.test_other_clients import MAGNETITE, OURS, THEIRS, our_network
from tests.interop.test_other_clients import libtorrent as libtorrent_in_lab

pytestmark = pytest.mark.interop

RC4 = ("--encryption", "forced", "--rc4-alone")
EITHER = ("--encryption", "forced")  # an encrypted handshake, and plain text after it if we like
NEVER = ("--encryption", "disabled")

# Their settings, our policy, and how the connection ends up.
SEEDS = [
    (RC4, "allow", "rc4"),
    (RC4, "require", "rc4"),
    (EITHER, "prefer", "rc4"),
    (EITHER, "allow", "handshake"),
    (NEVER, "allow", "plain"),
    (NEVER, "prefer", "plain"),
    (NEVER, "off", "plain"),
]
LEECHES = [(RC4, "allow", "rc4"), (RC4, "require", "rc4"), (NEVER, "prefer", "plain"), (NEVER, "off", "plain")]


@pytest.mark.parametrize(("theirs", "policy", "cipher"), SEEDS)
def test_we_download_from_a_libtorrent_whatever_it_insists_on(
    start: Start, payload: Payload, tmp_path: Path, theirs: tuple[str, ...], policy: str, cipher: str
) -> None:
    seed = start(*libtorrent_seed(payload, *theirs), name="seed")
    peer = f"{HOST}:{seed.hear('port').split()[1]}"
    ours = start(*get(payload, tmp_path, "--peer", peer, "--encryption", policy), name="get")
    ours.wait(20)
    assert payload.is_in(tmp_path / "ours")
    assert [record["cipher"] for record in ours.events("peer_connected")] == [cipher]


@pytest.mark.parametrize(("theirs", "policy", "cipher"), LEECHES)
def test_a_libtorrent_downloads_from_us_whatever_it_insists_on(
    start: Start, payload: Payload, tmp_path: Path, theirs: tuple[str, ...], policy: str, cipher: str
) -> None:
    port, folder = free_port(), tmp_path / "theirs"
    seed = start(*share(payload, tmp_path, port, "--encryption", policy), name="share")
    seed.hear("magnet:")
    leech = libtorrent("leech", payload.magnet, folder, "--peer", f"{HOST}:{port}", *theirs)
    start(*leech, name="leech").wait(20)
    assert payload.is_in(folder)
    assert cipher in [record["cipher"] for record in seed.events("peer_connected")]


@pytest.mark.parametrize(("theirs", "cipher"), [(RC4, "rc4"), (NEVER, "plain")])
def test_we_download_from_a_libtorrent_that_does_without_tcp_as_well(
    start: Start, payload: Payload, tmp_path: Path, theirs: tuple[str, ...], cipher: str
) -> None:
    seed = start(*libtorrent_seed(payload, *theirs, "--no-tcp"), name="seed")
    peer = f"{HOST}:{seed.hear('port').split()[1]}"
    ours = start(*get(payload, tmp_path, "--peer", peer), name="get")
    ours.wait(20)
    assert payload.is_in(tmp_path / "ours")
    assert [(record["carrier"], record["cipher"]) for record in ours.events("peer_connected")] == [("utp", cipher)]


@pytest.mark.parametrize(("theirs", "cipher"), [(RC4, "rc4"), (NEVER, "plain")])
def test_a_libtorrent_that_does_without_tcp_downloads_from_us_as_well(
    start: Start, payload: Payload, tmp_path: Path, theirs: tuple[str, ...], cipher: str
) -> None:
    port, folder = free_port(), tmp_path / "theirs"
    seed = start(*share(payload, tmp_path, port), name="share")
    seed.hear("magnet:")
    leech = libtorrent("leech", payload.magnet, folder, "--peer", f"{HOST}:{port}", *theirs, "--no-tcp")
    start(*leech, name="leech").wait(20)
    assert payload.is_in(folder)
    assert ("utp", cipher) in [(record["carrier"], record["cipher"]) for record in seed.events("peer_connected")]


@pytest.mark.parametrize(("theirs", "policy"), [(RC4, "off"), (NEVER, "require")])
def test_where_there_is_nothing_in_common_nobody_is_connected(
    start: Start, payload: Payload, tmp_path: Path, theirs: tuple[str, ...], policy: str
) -> None:
    seed = start(*libtorrent_seed(payload, *theirs), name="seed")
    peer = f"{HOST}:{seed.hear('port').split()[1]}"
    ours = start(*get(payload, tmp_path, "--peer", peer, "--encryption", policy), name="get")
    ours.hear("peer_failed")
    assert not ours.events("peer_connected")


REQUIRED = ("--bt-require-crypto=true", "--bt-min-crypto-level=arc4")


def test_we_download_from_an_aria2_that_requires_encryption(start: Start, payload: Payload, tmp_path: Path) -> None:
    folder, their_port, our_port = tmp_path / "theirs", free_port(), free_port()
    shutil.copytree(payload.folder / payload.metainfo.name, folder / payload.metainfo.name)
    with tracking([f"{HOST}:{our_port}"]) as tracker:
        seeding = ("--check-integrity=true", "--seed-ratio=0", "--allow-overwrite=true", *REQUIRED)
        start(*aria2(payload, folder, tracker, their_port, *seeding), name="seed")
        await_listener(their_port)
        ours = start(*get(payload, tmp_path, "--peer", f"{HOST}:{their_port}", port=our_port), name="get")
        ours.wait(20)
    assert payload.is_in(tmp_path / "ours")
    assert {record["cipher"] for record in ours.events("peer_connected")} == {"rc4"}


def test_an_aria2_that_requires_encryption_downloads_from_us(start: Start, payload: Payload, tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "theirs"
    seed = start(*share(payload, tmp_path, port), name="share")
    seed.hear("magnet:")
    with tracking([f"{HOST}:{port}"]) as tracker:
        start(*aria2(payload, folder, tracker, free_port(), "--seed-time=0", *REQUIRED), name="leech").wait(20)
    assert payload.is_in(folder)
    assert "rc4" in [record["cipher"] for record in seed.events("peer_connected")]


# -- by a bare magnet --------------------------------------------------------------------------------------------------


@pytest.fixture
def spawn(lab: Lab, dht: Path, tmp_path: Path) -> Iterator[Callable[..., object]]:
    running = []

    def begin(*command: str | Path, client: int, name: str) -> object:
        running.append(lab.spawn(*command, client=client, log=tmp_path / name))
        return running[-1]

    yield begin
    for process in running:
        kill(process)


@pytest.mark.parametrize("theirs", [RC4, NEVER, ("--no-tcp",)])
def test_we_open_a_magnet_whose_only_seed_insists_on_it(
    spawn: Callable[..., object], dht: Path, payload: Payload, tmp_path: Path, theirs: tuple[str, ...]
) -> None:
    spawn(*libtorrent_in_lab("seed", payload.torrent, payload.folder), *theirs, client=THEIRS, name="seed")
    await_announce(dht, payload.metainfo.info_hash, THEIRS)
    command = (*MAGNETITE, "get", payload.magnet, "--dir", tmp_path / "ours", *our_network(tmp_path))
    wait_for(spawn(*command, client=OURS, name="get"), 90, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")


@pytest.mark.parametrize("theirs", [RC4, NEVER, ("--no-tcp",)])
def test_a_libtorrent_that_insists_on_it_opens_our_magnet(
    spawn: Callable[..., object], payload: Payload, tmp_path: Path, theirs: tuple[str, ...]
) -> None:
    content, folder = payload.folder / payload.metainfo.name, tmp_path / "theirs"
    spawn(*MAGNETITE, "share", content, *our_network(tmp_path), client=OURS, name="share")
    wait_until(lambda: str(payload.metainfo.info_hash) in (tmp_path / "share").read_text(), 30, "our magnet")
    leech = spawn(*libtorrent_in_lab("leech", payload.magnet, folder), *theirs, client=THEIRS, name="leech")
    wait_for(leech, 120, tmp_path / "leech")
    assert payload.is_in(folder)
