"""Keeping our port forwarded for as long as we run, by whatever router there is and whatever it speaks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final, NoReturn, TypeAlias

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.events import Emit, PortMapped, PortMappingFailed
from magnetite.net.base import Network
from magnetite.net.portmap.finding import AnyGateway, first_to_answer, open_gateways
from magnetite.net.portmap.mapping import LIFETIME, Gateway, IpProtocol, Lease, PortMapping
from magnetite.net.portmap.routes import Route

log = logging.getLogger(__name__)

ASK_EVERY: Final = 120.0  # seconds between two questions whether the router remembers us
LOOK_EVERY: Final = 5.0  # seconds between two looks at the routing table, which cost 30 us
RETRY_FIRST: Final = 30.0  # seconds, doubled with each failure in a row
RETRY_MOST: Final = 1800.0
UNMAP_WITHIN: Final = 2.0  # seconds; nobody who leaves waits longer for a router
BOTH: Final = (IpProtocol.TCP, IpProtocol.UDP)  # the order counts: TCP's port is the one that others are told
UNKNOWN: Final = "0.0.0.0"  # where a router does not tell its address

FindRoute: TypeAlias = Callable[[], Route | None]
OnMapped: TypeAlias = Callable[[Lease | None], None]
Leases: TypeAlias = dict[IpProtocol, Lease]


@dataclass(frozen=True, slots=True)
class PortKeeper:
    """One task, `run`. `on_mapped` is told the lease of the first of `protocols`; None once lost.

    Whatever routers answer: there is one mapping a protocol, one question at a time, and every wait has a lower bound.
    """

    network: Network
    port: int
    methods: Collection[PortMapping]
    find_route: FindRoute
    rng: Random
    emit: Emit
    on_mapped: OnMapped
    protocols: Sequence[IpProtocol] = BOTH

    async def run(self) -> NoReturn:
        """Until cancelled; what was mapped is taken back then, within UNMAP_WITHIN."""
        retry = RETRY_FIRST
        while True:
            route = await self._until_other_than(None, inf)
            assert route is not None
            try:
                async with (
                    open_gateways(self.network, route, self.methods, self.rng) as gateways,
                    self._mapped(gateways) as (gateway, leases),
                ):
                    retry = RETRY_FIRST
                    await self._keep(route, gateway, leases)
                self.on_mapped(None)
            except NetworkError as error:
                self.on_mapped(None)
                log.info("port %d is not mapped: %s", self.port, error)
                self.emit(PortMappingFailed(trio.current_time(), error.reason, str(error), retry))
                await self._until_other_than(route, retry)
                retry = min(2 * retry, RETRY_MOST)

    async def _until_other_than(self, route: Route | None, timeout: float) -> Route | None:
        """Another route as soon as there is one, or the same after `timeout`; a checkpoint at any rate."""
        await trio.lowlevel.checkpoint()
        end = trio.current_time() + timeout
        while (found := self.find_route()) == route and (left := end - trio.current_time()) > 0:  # noqa: ASYNC110
            await trio.sleep(min(LOOK_EVERY, left))
        return found

    @asynccontextmanager
    async def _mapped(self, gateways: list[AnyGateway]) -> AsyncIterator[tuple[Gateway, Leases]]:
        """Our ports, mapped by the first router that answers and does it. Raises NetworkError."""
        refusal: NetworkError | None = None
        while True:
            try:
                gateway = await first_to_answer(gateways)
            except NetworkError as silence:
                raise refusal or silence from None
            leases: Leases = {}
            async with _taken_back(gateway, leases):
                try:
                    await self._map(gateway, leases)
                except NetworkError as error:
                    log.info("%s: %s", gateway.method.value, error)
                    refusal = error
                    gateways.remove(gateway)
                else:
                    yield gateway, leases
                    return

    async def _map(self, gateway: Gateway, leases: Leases) -> None:
        """Map our ports, or renew them; the same outside for both, for that is how peers take it."""
        suggested = self.port
        for protocol in self.protocols:
            known = leases.get(protocol)
            suggested = known.external_port if known else suggested
            # Noted before the answer: whoever cancels us meanwhile leaves nothing behind at the router.
            leases.setdefault(protocol, Lease(protocol, self.port, suggested, None, 0))
            try:
                leases[protocol] = await gateway.map(protocol, self.port, suggested)
            except NetworkError:
                if known is None:
                    del leases[protocol]
                raise
            suggested = leases[protocol].external_port

    async def _keep(self, route: Route, gateway: Gateway, leases: Leases) -> None:
        """Renew until the route is another. Raises NetworkError when the router does not renew."""
        told: Lease | None = None
        while True:
            lease = leases[self.protocols[0]]
            if told is None or (told.ip, told.external_port) != (lease.ip, lease.external_port):
                self._tell(route, gateway, lease)
                told = lease
            renew_at = trio.current_time() + min(each.renew_after for each in leases.values())
            while (left := renew_at - trio.current_time()) > 0:
                if await self._until_other_than(route, min(left, ASK_EVERY)) != route:
                    return
                if await gateway.has_restarted():
                    log.info("%s: the router has restarted", gateway.method.value)
                    break
            await self._map(gateway, leases)

    def _tell(self, route: Route, gateway: Gateway, lease: Lease) -> None:
        local = Endpoint(route.own_ip, self.port)
        external = Endpoint(lease.ip or UNKNOWN, lease.external_port)
        log.info("mapped %s to %s by %s for %.0f s", external, local, gateway.method.value, lease.lifetime)
        self.emit(PortMapped(trio.current_time(), gateway.method.value, local, external, lease.lifetime))
        self.on_mapped(lease)


@asynccontextmanager
async def _taken_back(gateway: Gateway, leases: Leases) -> AsyncIterator[None]:
    """Take the leases back after the block, unless the router does not listen any more."""
    try:
        yield
    except NetworkError as error:
        if error.reason is Reason.NO_GATEWAY:
            leases.clear()
        raise
    finally:
        with trio.move_on_after(UNMAP_WITHIN, shield=True) as scope:
            for lease in leases.values():
                try:
                    await gateway.unmap(lease)
                except NetworkError as error:
                    log.info("the router keeps %s port %d: %s", lease.protocol.name, lease.external_port, error)
        if scope.cancelled_caught:
            log.info("the router keeps our ports for up to %d s: it does not answer", LIFETIME)
