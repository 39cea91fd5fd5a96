"""Peers that magnetite and libtorrent name to each other (BEP 11), where nobody has a DHT."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop.conftest import Payload
from tests.interop.lab import HERE, Spawn, address_of, wait_until
from tests.interop.running import events

pytestmark = pytest.mark.interop

OURS, ONE, OTHER = 1, 2, 3  # the clients' numbers in the lab
SLOW = "20000"  # bytes/s: nobody gets everything while the test runs


def libtorrent(role: str, payload: Payload, folder: Path, client: int, *options: str) -> tuple[str | Path, ...]:
    listen = ("--listen", f"{address_of(client)}:7001")
    return (sys.executable, HERE / "libtorrent_peer.py", role, _what(role, payload), folder, *listen, *options)


def _what(role: str, payload: Payload) -> str | Path:
    return payload.torrent if role == "seed" else payload.magnet


def magnetite(*arguments: str | Path, state: Path) -> tuple[str | Path, ...]:
    network = ("--bind", address_of(OURS), "--port", "7001", "--no-dht", "--state", state)
    return (sys.executable, "-m", "magnetite", *arguments, *network, "--json")


def test_libtorrent_names_a_seed_to_us(spawn: Spawn, payload: Payload, tmp_path: Path) -> None:
    """The one we know of has hardly anything itself."""
    spawn(*libtorrent("seed", payload, payload.folder, OTHER, "--rate", SLOW), client=OTHER, name="seed")
    known = ("--peer", f"{address_of(OTHER)}:7001", "--download-rate", SLOW)
    spawn(*libtorrent("leech", payload, tmp_path / "theirs", ONE, *known), client=ONE, name="leech")
    wait_until(lambda: "downloading 1" in (tmp_path / "leech").read_text(), 30, "their first peer")
    get = ("get", payload.magnet, "--dir", tmp_path / "ours", "--peer", f"{address_of(ONE)}:7001")
    spawn(*magnetite(*get, state=tmp_path / "state"), client=OURS, name="get")
    seed = {"endpoint": f"{address_of(OTHER)}:7001", "source": "pex"}
    connected = lambda: any(  # noqa: E731
        seed.items() <= record.items() for record in events(tmp_path / "get", "peer_connected")
    )
    wait_until(connected, 90, "the seed it was told of")


def test_we_name_two_libtorrents_to_each_other(spawn: Spawn, payload: Payload, tmp_path: Path) -> None:
    share = ("share", payload.folder / payload.metainfo.name)
    spawn(*magnetite(*share, state=tmp_path / "state"), client=OURS, name="share")
    wait_until(lambda: str(payload.metainfo.info_hash) in (tmp_path / "share").read_text(), 30, "our magnet")
    known = ("--peer", f"{address_of(OURS)}:7001", "--download-rate", SLOW)
    for client in (ONE, OTHER):
        leech = libtorrent("leech", payload, tmp_path / f"theirs{client}", client, *known)
        spawn(*leech, client=client, name=f"leech{client}")
    logs = [tmp_path / f"leech{client}" for client in (ONE, OTHER)]
    wait_until(lambda: any("by PEX: 10." in log.read_text() for log in logs), 90, "the other leech")
