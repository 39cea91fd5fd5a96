"""A real router's daemon forwards our port: it appears, strangers reach us by it, and it is gone when we are."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.interop.conftest import Payload, missing_program, require
from tests.interop.lab import Spawn, wait_for, wait_until
from tests.interop.running import events

pytestmark = pytest.mark.interop

MAGNETITE = (sys.executable, "-m", "magnetite")
HOME, ROUTER, OUTSIDE = "h1", "r1", None  # namespaces
PORT = 6881
EXTERNAL = "8.9.10.1"
DAEMON = """
ext_ifname=wan
listening_ip=lan
port=0
enable_natpmp={udp}
enable_upnp=yes
min_lifetime=120
max_lifetime=86400
secure_mode=yes
uuid=00000000-0000-0000-0000-000000000000
lease_file={folder}/leases
allow 1024-65535 192.168.1.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


@pytest.fixture
def daemon(at_home: Spawn, tmp_path: Path) -> Callable[..., None]:
    """Start the router's daemon, which speaks UPnP, and with `udp` NAT-PMP and PCP as well."""

    require(missing_program("miniupnpd"))

    def start(*, udp: bool = True) -> None:
        (tmp_path / "conf").write_text(DAEMON.format(udp="yes" if udp else "no", folder=tmp_path))
        (tmp_path / "leases").touch()
        command = ("miniupnpd", "-d", "-f", tmp_path / "conf", "-P", tmp_path / "pid")
        at_home(*command, client=ROUTER, name="daemon")
        wait_until(lambda: "istening" in (tmp_path / "daemon").read_text(), 10, "the daemon")

    return start


@pytest.fixture
def forwarded(at_home: Spawn, tmp_path: Path) -> Callable[[], int]:
    """How many ports the router forwards."""

    def count() -> int:
        chain = ("list", "chain", "inet", "filter", "prerouting_miniupnpd")
        at_home("nft", *chain, client=ROUTER, name="rules").wait()
        return (tmp_path / "rules").read_text().count("dnat")

    return count


def share(payload: Payload, tmp_path: Path, method: str, port: int = PORT) -> tuple[str | Path, ...]:
    content = payload.folder / payload.metainfo.name
    state = ("--state", tmp_path / "sharing", "--port", str(port))
    return (*MAGNETITE, "share", content, "--no-dht", *state, "--port-mapping", method, "--json")


@pytest.mark.parametrize("method", ["pcp", "natpmp", "upnp", "auto"])
def test_a_stranger_reaches_us_by_a_mapped_port_which_is_gone_when_we_are(
    at_home: Spawn,
    daemon: Callable[..., None],
    forwarded: Callable[[], int],
    payload: Payload,
    tmp_path: Path,
    method: str,
) -> None:
    require(None if find_spec("miniupnpc") else "not installed: miniupnpc")
    daemon()
    sharing = at_home(*share(payload, tmp_path, method), client=HOME, name="share")
    wait_until(lambda: bool(events(tmp_path / "share", "port_mapped")), 20, "the mapping")
    [mapped] = events(tmp_path / "share", "port_mapped")
    assert mapped["external"] == f"{EXTERNAL}:{PORT}"
    assert method in (mapped["method"], "auto")
    assert forwarded() == 2, "TCP and UDP"
    get = (*MAGNETITE, "get", payload.magnet, "--dir", tmp_path / "theirs", "--no-dht", "--port-mapping", "off")
    there = ("--state", tmp_path / "getting", "--peer", f"{EXTERNAL}:{PORT}")
    wait_for(at_home(*get, *there, client=OUTSIDE, name="get"), 60, tmp_path / "get")
    assert payload.is_in(tmp_path / "theirs")
    os.killpg(sharing.pid, signal.SIGINT)
    wait_until(lambda: bool(events(tmp_path / "share", "finished")), 10, "our end")
    assert forwarded() == 0


def test_a_router_that_speaks_upnp_alone_is_found_by_itself(
    at_home: Spawn, daemon: Callable[..., None], forwarded: Callable[[], int], payload: Payload, tmp_path: Path
) -> None:
    require(None if find_spec("miniupnpc") else "not installed: miniupnpc")
    daemon(udp=False)
    at_home(*share(payload, tmp_path, "auto"), client=HOME, name="share")
    wait_until(lambda: bool(events(tmp_path / "share", "port_mapped")), 20, "the mapping")
    assert [record["method"] for record in events(tmp_path / "share", "port_mapped")] == ["upnp"]
    assert forwarded() == 2


def test_a_port_that_is_not_allowed_is_told_with_the_routers_reason(
    at_home: Spawn, daemon: Callable[..., None], payload: Payload, tmp_path: Path
) -> None:
    require(None if find_spec("miniupnpc") else "not installed: miniupnpc")
    daemon()
    at_home(*share(payload, tmp_path, "upnp", port=700), client=HOME, name="share")
    wait_until(lambda: bool(events(tmp_path / "share", "port_mapping_failed")), 20, "the failure")
    [failed] = events(tmp_path / "share", "port_mapping_failed")
    assert failed["reason"] == "mapping_refused"
    assert "not authorized" in str(failed["detail"])


def test_a_home_whose_router_maps_nothing_shares_all_the_same(at_home: Spawn, payload: Payload, tmp_path: Path) -> None:
    at_home(*share(payload, tmp_path, "pcp"), client=HOME, name="share")
    wait_until(lambda: bool(events(tmp_path / "share", "port_mapping_failed")), 20, "the failure")
    [failed] = events(tmp_path / "share", "port_mapping_failed")
    assert failed["reason"] == "no_gateway"
