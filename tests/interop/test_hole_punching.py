"""Two homes whose routers let nobody in, and a peer outside that both know: hole punching (BEP 55) with libtorrent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop.conftest import Payload
from tests.interop.lab import HERE, Spawn, wait_for
from tests.interop.running import events

pytestmark = pytest.mark.interop

MAGNETITE = (sys.executable, "-m", "magnetite")
OUTSIDE = "8.9.10.100"
PORT = 7001
RELAY = ("--peer", f"{OUTSIDE}:{PORT}")
SLOW = 100_000  # bytes/s to the relay, and a fifth of it back: without each other they would need a quarter of an hour


def ours(payload: Payload, folder: Path, *options: str | Path) -> tuple[str | Path, ...]:
    get = (*MAGNETITE, "get", payload.torrent, "--dir", folder, "--state", f"{folder}.state", "--no-dht", "--no-lsd")
    return (*get, "--port-mapping", "off", "--json", *options)


def libtorrent(role: str, payload: Payload, folder: Path, ip: str, *options: str) -> tuple[str | Path, ...]:
    what = payload.torrent if role == "seed" else payload.magnet
    return (sys.executable, HERE / "libtorrent_peer.py", role, what, folder, "--listen", f"{ip}:{PORT}", *options)


def start_relay(at_home: Spawn, who: str, payload: Payload, tmp_path: Path) -> None:
    """It lacks everything itself, and is of little use but to bring others together."""
    if who == "ours":
        slow = ("--max-download", str(SLOW), "--max-upload", str(SLOW // 5))
        relay = ours(payload, tmp_path / "relay", "--bind", OUTSIDE, "--port", str(PORT), *slow)
    else:
        # Whoever reached it by TCP it would name by the port of that connection, which nobody can dial.
        slow = ("--download-rate", str(SLOW), "--rate", str(SLOW // 5), "--no-tcp")
        relay = libtorrent("leech", payload, tmp_path / "relay", OUTSIDE, *slow)
    at_home(*relay, client=None, name="relay.log")


@pytest.mark.parametrize(("relay", "port"), [("ours", 6891), ("libtorrent", 6892)])
def test_we_reach_a_seed_of_theirs_in_another_home(
    at_home: Spawn, payload: Payload, tmp_path: Path, relay: str, port: int
) -> None:
    """The ports differ, for routers remember for minutes who wrote to whom."""
    start_relay(at_home, relay, payload, tmp_path)
    # If it heard of us as we hear of it, both would dial at the same moment by chance, and need nobody for it.
    seed = libtorrent("seed", payload, payload.folder, "192.168.2.2", *RELAY, "--no-pex")
    at_home(*seed, client="h2", name="seed")
    getting = at_home(*ours(payload, tmp_path / "ours", "--port", str(port), *RELAY), client="h1", name="get")
    wait_for(getting, 90, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")
    met = [event for event in events(tmp_path / "get", "peer_connected") if "8.9.10.2:" in str(event["endpoint"])]
    assert {event["carrier"] for event in met} == {"utp"}
    assert {event["source"] for event in met} <= {"holepunch", "incoming"}


def test_by_us_two_of_theirs_reach_each_other(at_home: Spawn, payload: Payload, tmp_path: Path) -> None:
    start_relay(at_home, "ours", payload, tmp_path)
    seed = libtorrent("seed", payload, payload.folder, "192.168.2.2", *RELAY)
    at_home(*seed, client="h2", name="seed")
    leech = libtorrent("leech", payload, tmp_path / "theirs", "192.168.1.2", *RELAY)
    wait_for(at_home(*leech, client="h1", name="leech"), 90, tmp_path / "leech")
    assert payload.is_in(tmp_path / "theirs")
