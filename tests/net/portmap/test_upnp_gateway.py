"""UPnP-IGD, the library replaced by a router that a test plays; a real one is in tests/interop."""

from __future__ import annotations

import sys
from random import Random
from threading import Event as Gate
from types import ModuleType
from typing import Any

import pytest
import trio

from magnetite.errors import NetworkError, Reason
from magnetite.net.portmap import upnp_gateway
from magnetite.net.portmap.mapping import LIFETIME, IpProtocol
from magnetite.net.portmap.routes import Route
from magnetite.net.portmap.upnp_gateway import NAME, UpnpGateway

pytestmark = pytest.mark.real_clock  # it waits in threads

ROUTE = Route("192.168.7.1", "192.168.7.2")


class Router:
    """The library's object; `table` is whom it forwards what to."""

    def __init__(self) -> None:
        self.table: dict[tuple[int, str], tuple[str, int, str, bool, int]] = {}
        self.leases = True
        self.silent: Gate | None = None
        self.is_there = True

    def discover(self) -> int:
        return 1

    def selectigd(self) -> None:
        if not self.is_there:
            raise Exception("No UPnP device discovered")

    def externalipaddress(self) -> str:
        return "198.51.100.7"

    def getspecificportmapping(self, port: int, protocol: str) -> tuple[str, int, str, bool, int] | None:
        if self.silent is not None:
            self.silent.wait(5)
        return self.table.get((port, protocol))

    def deleteportmapping(self, port: int, protocol: str) -> bool:
        del self.table[port, protocol]
        return True

    def addportmapping(self, *said: Any) -> bool:
        port, protocol, ip, internal, name, _, lifetime = said
        if lifetime and not self.leases:
            raise Exception("OnlyPermanentLeasesSupported")
        if (port, protocol) in self.table and self.table[port, protocol][0] != ip:
            raise Exception("ConflictInMappingEntry")
        self.table[port, protocol] = (ip, internal, name, True, lifetime)
        return True


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    library, played = ModuleType("miniupnpc"), Router()
    library.UPnP = lambda **_: played  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "miniupnpc", library)
    return played


async def found() -> UpnpGateway:
    gateway = UpnpGateway(ROUTE, Random(1))
    await gateway.find()
    return gateway


async def test_a_port_is_mapped_and_taken_back(router: Router) -> None:
    gateway = await found()
    lease = await gateway.map(IpProtocol.TCP, 6881, 6881)
    assert (lease.external_port, lease.ip, lease.lifetime) == (6881, "198.51.100.7", LIFETIME)
    assert router.table == {(6881, "TCP"): ("192.168.7.2", 6881, NAME, True, LIFETIME)}
    assert not await gateway.has_restarted()
    await gateway.unmap(lease)
    assert not router.table
    assert await gateway.has_restarted(), "it is not there any more"


@pytest.mark.parametrize(
    "holder", [("192.168.7.3", 6881, NAME, True, 0), ("192.168.7.2", 51413, "another program", True, 0)]
)
async def test_a_port_that_somebody_else_has_is_left_to_them(router: Router, holder: Any) -> None:
    router.table[6881, "TCP"] = holder
    gateway = await found()
    lease = await gateway.map(IpProtocol.TCP, 6881, 6881)
    assert lease.external_port != 6881
    await gateway.unmap(lease)
    await gateway.unmap(type(lease)(IpProtocol.TCP, 6881, 6881, None, 0))
    assert router.table == {(6881, "TCP"): holder}


async def test_what_an_earlier_run_of_ours_left_behind_is_taken_over(router: Router) -> None:
    router.table[6881, "TCP"] = ("192.168.7.2", 6999, NAME, True, 0)
    lease = await (await found()).map(IpProtocol.TCP, 6881, 6881)
    assert lease.external_port == 6881


async def test_a_router_that_knows_no_leases_is_given_none(router: Router) -> None:
    router.leases = False
    await (await found()).map(IpProtocol.UDP, 6881, 6881)
    assert router.table[6881, "UDP"][4] == 0


async def test_a_router_that_refuses_says_why(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*said: Any) -> bool:
        raise Exception("Action not authorized")

    monkeypatch.setattr(router, "addportmapping", refuse)
    with pytest.raises(NetworkError, match="Action not authorized") as refused:
        await (await found()).map(IpProtocol.TCP, 6881, 6881)
    assert refused.value.reason is Reason.MAPPING_REFUSED


async def test_no_router_and_no_library_are_told_apart(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    router.is_there = False
    with pytest.raises(NetworkError, match="No UPnP device") as missing:
        await found()
    assert missing.value.reason is Reason.NO_GATEWAY
    monkeypatch.setitem(sys.modules, "miniupnpc", None)
    with pytest.raises(NetworkError, match=r"magnetite\[upnp\]"):
        await found()


async def test_a_router_that_hangs_is_given_up_and_holds_up_a_few_threads_at_most(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upnp_gateway, "PATIENCE", 0.1)
    monkeypatch.setattr(upnp_gateway, "_threads", trio.CapacityLimiter(2))
    gateway = await found()
    router.silent = Gate()
    for _ in range(4):
        with pytest.raises(NetworkError, match="does not answer"):
            await gateway.map(IpProtocol.TCP, 6881, 6881)
    assert upnp_gateway._threads.borrowed_tokens == 2
    router.silent.set()
    while upnp_gateway._threads.borrowed_tokens:  # noqa: ASYNC110
        await trio.sleep(0.01)
