"""A router of the virtual network, played by a test, and the task that has it forward our port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.events import Event, PortMapped, PortMappingFailed
from magnetite.net.portmap import keep, natpmp, pcp
from magnetite.net.portmap.asking import FIRST_WAIT, TRIES
from magnetite.net.portmap.keep import ASK_EVERY, LOOK_EVERY, RETRY_FIRST, UNMAP_WITHIN, PortKeeper
from magnetite.net.portmap.mapping import LIFETIME, PORT, IpProtocol, Lease, PortMapping, methods_of
from magnetite.net.portmap.routes import Route
from magnetite.simnet import Fabric, Host

ROUTER, OURS, OUTSIDE = "192.168.7.1", "192.168.7.2", "198.51.100.7"
SILENCE = FIRST_WAIT * (2**TRIES - 1)  # seconds until a router is given up
IANA = {number: protocol for protocol, number in pcp.PROTOCOLS.items()}
OPCODES = {number: protocol for protocol, number in natpmp.MAP_OPCODES.items()}


class Router:
    """Speaks NAT-PMP or PCP; `mapped` are the ports it forwards, inside by outside."""

    def __init__(self, fabric: Fabric, ip: str = ROUTER, version: int = natpmp.VERSION) -> None:
        self.host = fabric.host(ip)
        self.version = version
        self.mapped: dict[tuple[IpProtocol, int], int] = {}
        self.outside = OUTSIDE
        self.taken: set[int] = set()  # ports that others have
        self.lifetime = LIFETIME
        self.result = 0  # of mappings
        self.started = trio.current_time()
        self.asked = 0
        self.answers = True
        self.before: list[bytes] = []  # sent ahead of every answer

    async def run(self) -> None:
        socket = await self.host.open_udp(Endpoint(self.host.ip, PORT))
        while True:
            for data, source in await socket.receive_batch():
                self.asked += 1
                if self.answers:
                    for each in [*self.before, self.answer(data)]:
                        socket.send(each, source)

    def restart(self) -> None:
        self.mapped.clear()
        self.started = trio.current_time()

    @property
    def epoch(self) -> int:
        return int(trio.current_time() - self.started)

    def answer(self, data: bytes) -> bytes:
        if data[0] != self.version:
            return bytes((self.version, 128 | data[1], 0, 1)) + self.epoch.to_bytes(4, "big")
        return self.answer_pcp(data) if self.version else self.answer_natpmp(data)

    def answer_natpmp(self, data: bytes) -> bytes:
        if data[1] == natpmp.ADDRESS:
            return natpmp._HEAD.pack(0, 128, 0, self.epoch) + bytes(map(int, self.outside.split(".")))
        _, opcode, inside, suggested, lifetime = natpmp._MAP_REQUEST.unpack(data)
        outside, granted = self.map(OPCODES[opcode], inside, suggested, lifetime)
        return natpmp._HEAD.pack(0, 128 | opcode, self.result, self.epoch) + natpmp._MAPPING.pack(
            inside, outside, granted
        )

    def answer_pcp(self, data: bytes) -> bytes:
        _, opcode, lifetime, _ = pcp._REQUEST.unpack_from(data)
        if opcode == pcp.ANNOUNCE:
            return pcp._HEAD.pack(2, 128, 0, 0, self.epoch)
        nonce, number, inside, suggested, _ = pcp._MAP.unpack_from(data, pcp._REQUEST.size)
        outside, granted = self.map(IANA[number], inside, suggested, lifetime)
        ip = pcp._packed(self.outside)
        return pcp._HEAD.pack(2, 129, self.result, granted, self.epoch) + pcp._MAP.pack(
            nonce, number, inside, outside, ip
        )

    def map(self, protocol: IpProtocol, inside: int, suggested: int, lifetime: int) -> tuple[int, int]:
        if self.result:
            return 0, 0
        outside = next((port for (_, port), known in self.mapped.items() if known == inside), suggested)
        while outside in self.taken:
            outside += 1
        if lifetime:
            self.mapped[protocol, outside] = inside
            return outside, self.lifetime
        self.mapped = {at: known for at, known in self.mapped.items() if (at[0], known) != (protocol, inside)}
        return 0, 0


BOTH = {(IpProtocol.TCP, 6881): 6881, (IpProtocol.UDP, 6881): 6881}


class Keeping:
    """A keeper under way, what it told, and the route it is shown."""

    def __init__(self, host: Host, methods: Collection[PortMapping]) -> None:
        self.route: Route | None = Route(ROUTER, OURS)
        self.events: list[Event] = []
        self.told: list[int | None] = []
        self.keeper = PortKeeper(host, 6881, methods, self.find_route, Random(1), self.events.append, self.on_mapped)

    def find_route(self) -> Route | None:
        return self.route

    def on_mapped(self, lease: Lease | None) -> None:
        self.told.append(lease.external_port if lease else None)


@asynccontextmanager
async def keeping(fabric: Fabric, *routers: Router, method: PortMapping) -> AsyncIterator[Keeping]:
    under_way = Keeping(fabric.host(OURS), methods_of(method, is_tied=False))
    async with trio.open_nursery() as nursery:
        for router in routers:
            nursery.start_soon(router.run)
        async with trio.open_nursery() as inner:
            inner.start_soon(under_way.keeper.run)
            await trio.sleep(1)
            yield under_way
            inner.cancel_scope.cancel()
        await trio.sleep(1)  # what was sent last arrives
        nursery.cancel_scope.cancel()


@pytest.fixture(params=[PortMapping.NATPMP, PortMapping.PCP])
def method(request: pytest.FixtureRequest) -> PortMapping:
    return request.param


@pytest.fixture
def at(fabric: Fabric, method: PortMapping) -> object:
    """Makes a router that speaks the method."""
    return partial(Router, fabric, version=natpmp.VERSION if method is PortMapping.NATPMP else pcp.VERSION)


async def test_both_ports_are_mapped_while_we_run_and_not_afterwards(fabric: Fabric, at, method: PortMapping) -> None:
    router = at()
    async with keeping(fabric, router, method=method) as ours:
        assert router.mapped == BOTH
        assert ours.told == [6881]
        [event] = ours.events
        assert isinstance(event, PortMapped)
        assert (event.method, event.external) == (method.value, Endpoint(OUTSIDE, 6881))
    assert not router.mapped


async def test_a_port_that_others_have_is_replaced_and_we_are_told(fabric: Fabric, at, method: PortMapping) -> None:
    router = at()
    router.taken = {6881, 6882}
    async with keeping(fabric, router, method=method) as ours:
        assert ours.told == [6883]
        assert set(router.mapped) == {(IpProtocol.TCP, 6883), (IpProtocol.UDP, 6883)}
    assert not router.mapped


async def test_a_mapping_is_renewed_at_half_its_life_however_short(fabric: Fabric, at, method: PortMapping) -> None:
    router = at()
    router.lifetime = 1
    async with keeping(fabric, router, method=method) as ours:
        asked = router.asked
        await trio.sleep(600)
        assert 10 <= router.asked - asked <= 40, "once a minute and no more"
        assert ours.told == [6881]


async def test_a_router_that_restarted_is_asked_again_before_the_lease_ends(
    fabric: Fabric, at, method: PortMapping
) -> None:
    router = at()
    async with keeping(fabric, router, method=method):
        await trio.sleep(500)
        router.restart()
        await trio.sleep(ASK_EVERY + 1)
        assert router.mapped == BOTH


async def test_another_external_address_is_told(fabric: Fabric, at, method: PortMapping) -> None:
    router = at()
    async with keeping(fabric, router, method=method) as ours:
        await trio.sleep(500)
        router.outside = "198.51.100.9"
        router.restart()
        await trio.sleep(ASK_EVERY + 1)
        assert [str(event.external) for event in ours.events if isinstance(event, PortMapped)] == [
            "198.51.100.7:6881",
            "198.51.100.9:6881",
        ]


async def test_a_refusal_is_told_with_its_reason_and_tried_again_ever_more_rarely(
    fabric: Fabric, at, method: PortMapping
) -> None:
    router = at()
    router.result = 2
    async with keeping(fabric, router, method=method) as ours:
        [failed] = ours.events
        assert isinstance(failed, PortMappingFailed)
        assert failed.reason is Reason.MAPPING_REFUSED
        assert "not authorised" in failed.detail
        asked = router.asked
        await trio.sleep(86_000 / 2)
        assert router.asked - asked < 200
        router.result = 0
        await trio.sleep(keep.RETRY_MOST)
        assert router.mapped == BOTH


async def test_no_router_is_no_harm(fabric: Fabric, method: PortMapping) -> None:
    async with keeping(fabric, method=method) as ours:
        await trio.sleep(SILENCE)
        [failed] = ours.events
        assert isinstance(failed, PortMappingFailed)
        assert failed.reason is Reason.NO_GATEWAY
        assert failed.retry_in == RETRY_FIRST


async def test_a_router_that_falls_silent_does_not_hold_us_up(fabric: Fabric, at, method: PortMapping) -> None:
    router = at()
    async with keeping(fabric, router, method=method):
        router.answers = False
        before = trio.current_time()
    assert trio.current_time() - before <= UNMAP_WITHIN + 1.1


async def test_a_router_that_is_gone_counts_no_more_and_again_once_it_is_back(
    fabric: Fabric, at, method: PortMapping
) -> None:
    router = at()
    async with keeping(fabric, router, method=method) as ours:
        router.answers = False
        await trio.sleep(ASK_EVERY + SILENCE)
        assert ours.told == [6881, None]
        router.answers = True
        await trio.sleep(RETRY_FIRST + 1)
        assert ours.told == [6881, None, 6881]


async def test_another_network_has_another_router(fabric: Fabric, at, method: PortMapping) -> None:
    router, other = at(), at(ip="192.168.8.1")
    async with keeping(fabric, router, other, method=method) as ours:
        ours.route = Route("192.168.8.1", OURS)
        await trio.sleep(LOOK_EVERY + 1)
        assert not router.mapped
        assert other.mapped == BOTH
        ours.route = None
        await trio.sleep(LOOK_EVERY + 1)
        assert not other.mapped
        assert ours.told == [6881, None, 6881, None]


async def test_rubbish_and_answers_to_others_are_passed_over(fabric: Fabric, at, method: PortMapping) -> None:
    router = at()
    stranger = pcp._MAP.pack(bytes(12), 6, 6881, 9, bytes(16))
    router.before = [
        b"",
        b"rubbish" * 300,
        natpmp._HEAD.pack(0, 130, 0, 1) + natpmp._MAPPING.pack(7777, 9, 9),
        pcp._HEAD.pack(2, 129, 0, 9, 1) + stranger,
    ]
    async with keeping(fabric, router, method=method) as ours:
        assert ours.told == [6881]


async def test_what_is_not_the_routers_is_no_answer(fabric: Fabric) -> None:
    liar = fabric.host("192.168.7.66")
    socket = await liar.open_udp(Endpoint(liar.ip, PORT))
    async with keeping(fabric, method=PortMapping.NATPMP) as ours:
        for port in range(49152, 49160):
            socket.send(natpmp._HEAD.pack(0, 128, 0, 1) + bytes(4), Endpoint(OURS, port))
        await trio.sleep(SILENCE)
        assert ours.told == [None]


@pytest.mark.parametrize("version", [natpmp.VERSION, pcp.VERSION])
async def test_whatever_the_router_speaks_is_found_out(
    fabric: Fabric, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = Router(fabric, version=version)
    monkeypatch.setattr("magnetite.net.portmap.finding.UpnpGateway", SilentUpnp)
    async with keeping(fabric, router, method=PortMapping.AUTO) as ours:
        assert router.mapped == BOTH
        assert [event.method for event in ours.events] == ["pcp" if version else "natpmp"]


class SilentUpnp:
    """No threads in virtual time."""

    method = PortMapping.UPNP

    def __init__(self, route: Route, rng: Random) -> None: ...

    async def find(self) -> None:
        await trio.sleep_forever()


async def test_who_leaves_before_the_router_has_answered_leaves_nothing_behind(
    fabric: Fabric, at, method: PortMapping
) -> None:
    router = at()
    for moment in (0.01, 0.03, 0.05, 0.07, 0.09, 0.11, 0.13):
        ours = Keeping(fabric.host(f"192.168.7.{int(100 + moment * 100)}"), (method,))
        ours.route = Route(ROUTER, ours.keeper.network.ip)  # type: ignore[attr-defined]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(router.run)
            with trio.move_on_after(moment):
                await ours.keeper.run()
            await trio.sleep(1)
            assert not router.mapped
            nursery.cancel_scope.cancel()
        router.host.crash()
        router.host.restart()
