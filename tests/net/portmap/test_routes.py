from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.net.portmap import routes
from magnetite.net.portmap.routes import Route, default_route, parse_routes

OWN = ["192.168.7.2", "192.168.8.2", "192.168.9.77", "8.8.4.4"]
HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
WIFI = "wlan0\t00000000\t0107A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"  # 192.168.7.1
CABLE = "eth0\t00000000\t0108A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"  # 192.168.8.1
LINK = "eth0\t0008A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
TUNNEL = "tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n"  # no gateway


def test_the_gateways_of_default_routes_are_found_the_best_first() -> None:
    assert parse_routes(HEAD + WIFI + CABLE + LINK + TUNNEL) == ["192.168.8.1", "192.168.7.1"]


@given(st.text())
def test_what_is_no_routing_table_has_no_routes(text: str) -> None:
    assert parse_routes(HEAD + text) == []


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Which of our addresses faces which gateway; the routing table has both."""
    (tmp_path / "route").write_text(HEAD + WIFI + CABLE)
    monkeypatch.setattr(routes, "LINUX_ROUTES", tmp_path / "route")
    facing = {"192.168.7.1": "192.168.7.2", "192.168.8.1": "192.168.8.2"}
    monkeypatch.setattr(routes, "_address_towards", facing.get)
    return facing


def test_the_best_route_from_one_of_our_addresses_is_taken(world: dict[str, str]) -> None:
    assert default_route(OWN) == Route("192.168.8.1", "192.168.8.2")
    assert default_route(["192.168.7.2"]) == Route("192.168.7.1", "192.168.7.2")
    assert default_route(["127.0.0.1"]) is None


def test_a_public_address_needs_no_router(world: dict[str, str]) -> None:
    world["192.168.8.1"] = "8.8.4.4"
    assert default_route(OWN) == Route("192.168.7.1", "192.168.7.2")


def test_without_a_routing_table_the_router_is_the_first_address_of_our_network(
    world: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LINUX_ROUTES", Path("/does/not/exist"))
    world[routes.ELSEWHERE] = world["192.168.9.1"] = "192.168.9.77"
    assert default_route(OWN) == Route("192.168.9.1", "192.168.9.77")
    world.clear()
    assert default_route(OWN) is None
