"""Peers of one link find each other by multicast (BEP 14): no DHT, and nobody is told an address."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop.conftest import Payload
from tests.interop.lab import HERE, Spawn, address_of, wait_for, wait_until
from tests.interop.running import events

pytestmark = pytest.mark.interop

THEIRS, OURS, OTHERS = 1, 2, 3  # the clients' numbers in the lab
MAGNETITE = (sys.executable, "-m", "magnetite")

LOOKING = "looking for local peers"


def ours(verb: str, what: str | Path, tmp_path: Path, name: str, *options: str | Path) -> tuple[str | Path, ...]:
    return (*MAGNETITE, verb, what, "--no-dht", "--json", "-v", "--state", tmp_path / f"{name}.state", *options)


def libtorrent(role: str, what: str | Path, folder: Path) -> tuple[str | Path, ...]:
    script = HERE / "libtorrent_peer.py"
    return (sys.executable, script, role, what, folder, "--listen", f"{address_of(THEIRS)}:7001", "--lsd")


@pytest.mark.parametrize("bind", [(), ("--bind", address_of(OURS))])
def test_we_find_a_seed_of_theirs(spawn: Spawn, payload: Payload, tmp_path: Path, bind: tuple[str, ...]) -> None:
    get = ours("get", payload.magnet, tmp_path, "get", "--dir", tmp_path / "ours", *bind)
    getting = spawn(*get, client=OURS, name="get")
    wait_until(lambda: LOOKING in (tmp_path / "get").read_text(), 20, "our start")
    spawn(*libtorrent("seed", payload.torrent, payload.folder), client=THEIRS, name="seed")
    wait_for(getting, 60, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")
    assert [record["source"] for record in events(tmp_path / "get", "peer_found")] == ["lsd"]


def test_they_find_a_seed_of_ours(spawn: Spawn, payload: Payload, tmp_path: Path) -> None:
    leeching = spawn(*libtorrent("leech", payload.magnet, tmp_path / "theirs"), client=THEIRS, name="leech")
    wait_until(lambda: "port" in (tmp_path / "leech").read_text(), 20, "their start")
    share = ours("share", payload.folder / payload.metainfo.name, tmp_path, "share")
    spawn(*share, client=OURS, name="share")
    wait_for(leeching, 60, tmp_path / "leech")
    assert payload.is_in(tmp_path / "theirs")


def test_two_of_ours_find_each_other_but_not_who_does_not_want_to(
    spawn: Spawn, payload: Payload, tmp_path: Path
) -> None:
    hidden = ours("get", payload.magnet, tmp_path, "hidden", "--dir", tmp_path / "nothing", "--no-lsd")
    spawn(*hidden, client=THEIRS, name="hidden")
    get = ours("get", payload.magnet, tmp_path, "get", "--dir", tmp_path / "ours")
    getting = spawn(*get, client=OURS, name="get")
    wait_until(lambda: LOOKING in (tmp_path / "get").read_text(), 20, "our start")
    share = ours("share", payload.folder / payload.metainfo.name, tmp_path, "share")
    spawn(*share, client=OTHERS, name="share")
    wait_for(getting, 60, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")
    assert not events(tmp_path / "hidden", "peer_found")
    assert not events(tmp_path / "hidden", "peer_connected")
