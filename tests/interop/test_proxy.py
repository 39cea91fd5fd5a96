"""Behind a real SOCKS server, from a host that sees nothing but that server: counted by the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Payload, missing_program, require
from tests.interop.lab import HERE, Lab, Spawn, spawning, wait_for, wait_until
from tests.interop.links import libtorrent, magnetite, packets
from tests.interop.running import events

pytestmark = pytest.mark.interop

SEED = "11.106.0.1:7001"
PROXY = "socks5://192.168.7.1:1080"
NAMED_ROUTER = "router.test:6881"  # which the proxy alone can look up


@pytest.fixture
def spawn(links: Lab, tmp_path: Path) -> Iterator[Spawn]:
    with spawning(links, tmp_path) as start:
        yield start


@pytest.fixture
def dante(spawn: Spawn, tmp_path: Path) -> None:
    require(missing_program("danted"))
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n11.1.0.1 router.test\n")
    command = ("unshare", "-m", HERE / "danted.sh", tmp_path, hosts, "none")
    spawn(*command, client="proxy", name="dante")
    wait_until(lambda: "running" in (tmp_path / "dante").read_text(), 20, "the proxy")


def test_a_magnet_is_opened_through_it_and_nothing_is_sent_to_anybody_else(
    spawn: Spawn, dante: None, payload: Payload, tmp_path: Path
) -> None:
    spawn(*libtorrent("seed", payload.torrent, payload.folder, SEED), client="peer", name="seed")
    before = packets(spawn, "shut", tmp_path)
    get = ("get", payload.magnet, "--dir", tmp_path / "ours", "--proxy", PROXY, "--bootstrap", NAMED_ROUTER)
    wait_for(spawn(*magnetite(*get, state=tmp_path / "state"), client="shut", name="get"), 120, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")
    after = packets(spawn, "shut", tmp_path)
    assert after["leaked"] == before["leaked"]
    assert after["sent"] > before["sent"] + 100
    assert {str(each["endpoint"]) for each in events(tmp_path / "get", "peer_connected")} == {SEED}


def test_a_proxy_that_is_not_there_is_an_error_and_nothing_is_sent_to_anybody_else(
    spawn: Spawn, payload: Payload, tmp_path: Path
) -> None:
    before = packets(spawn, "shut", tmp_path)
    get = ("get", payload.magnet, "--dir", tmp_path / "ours", "--proxy", PROXY, "--bootstrap", NAMED_ROUTER)
    failed = spawn(*magnetite(*get, state=tmp_path / "state"), client="shut", name="get")
    assert failed.wait(60) == 6
    assert "the proxy socks5://192.168.7.1:1080 is not reached" in (tmp_path / "get").read_text()
    assert packets(spawn, "shut", tmp_path)["leaked"] == before["leaked"]
