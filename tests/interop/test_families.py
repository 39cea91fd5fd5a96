"""IPv4 and IPv6: bare magnets between magnetite and libtorrent, in a DHT of each family."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Payload
from tests.interop.lab import Lab, Spawn, spawning, wait_for, wait_until
from tests.interop.links import ROUTERS, libtorrent, magnetite
from tests.interop.running import events

pytestmark = pytest.mark.interop

BOTH, SIX, FOUR = "11.101.0.1:7001,[2a00:101::1]:7001", "[2a00:102::1]:7001", "11.106.0.1:7001"

PAIRS = [("dual", "six", SIX), ("dual", "peer", FOUR), ("six", "dual", BOTH)]


@pytest.fixture
def spawn(links: Lab, tmp_path: Path) -> Iterator[Spawn]:
    with spawning(links, tmp_path) as start:
        yield start


@pytest.mark.parametrize(("ours", "theirs", "listen"), PAIRS)
def test_we_download_from_a_libtorrent_of(
    spawn: Spawn, payload: Payload, tmp_path: Path, ours: str, theirs: str, listen: str
) -> None:
    spawn(*libtorrent("seed", payload.torrent, payload.folder, listen), client=theirs, name="seed")
    get = ("get", payload.magnet, "--dir", tmp_path / "ours", "--bootstrap", ",".join(ROUTERS))
    wait_for(spawn(*magnetite(*get, state=tmp_path / "state"), client=ours, name="get"), 90, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")
    [peer] = {record["endpoint"] for record in events(tmp_path / "get", "peer_connected")}
    assert str(peer).rpartition(":")[0] in listen


@pytest.mark.parametrize(("ours", "theirs", "listen"), PAIRS)
def test_we_share_with_a_libtorrent_of(
    spawn: Spawn, payload: Payload, tmp_path: Path, ours: str, theirs: str, listen: str
) -> None:
    share = ("share", payload.folder / payload.metainfo.name, "--bootstrap", ",".join(ROUTERS))
    spawn(*magnetite(*share, state=tmp_path / "state"), client=ours, name="share")
    wait_until(lambda: bool(events(tmp_path / "share", "announced")), 60, "our announce")
    leech = libtorrent("leech", payload.magnet, tmp_path / "theirs", listen)
    wait_for(spawn(*leech, client=theirs, name="leech"), 120, tmp_path / "leech")
    assert payload.is_in(tmp_path / "theirs")
