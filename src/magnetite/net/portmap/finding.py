"""The ways to ask a router, and which of them it answers first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TypeAlias

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.base import DatagramSocket, Network
from magnetite.net.portmap.mapping import PortMapping
from magnetite.net.portmap.natpmp_gateway import NatPmpGateway
from magnetite.net.portmap.pcp_gateway import PcpGateway
from magnetite.net.portmap.routes import Route
from magnetite.net.portmap.upnp_gateway import UpnpGateway

AnyGateway: TypeAlias = PcpGateway | NatPmpGateway | UpnpGateway


@asynccontextmanager
async def open_gateways(
    network: Network, route: Route, methods: Collection[PortMapping], rng: Random
) -> AsyncIterator[list[AnyGateway]]:
    """The ways of `methods`, none of them tried yet. Raises NetworkError if our address is gone."""
    async with AsyncExitStack() as stack:

        async def socket() -> DatagramSocket:
            opened = await network.open_udp(Endpoint(route.own_ip, 0))
            stack.push_async_callback(opened.aclose)
            return opened

        gateways: list[AnyGateway] = []
        if PortMapping.PCP in methods:
            gateways.append(PcpGateway(await socket(), route.gateway, route.own_ip, rng))
        if PortMapping.NATPMP in methods:
            gateways.append(NatPmpGateway(await socket(), route.gateway))
        if PortMapping.UPNP in methods:
            gateways.append(UpnpGateway(route, rng))
        yield gateways


async def first_to_answer(gateways: Sequence[AnyGateway]) -> AnyGateway:
    """All are asked at once, for a silent one takes seconds. Raises NetworkError if none answers."""
    answered: list[AnyGateway] = []
    failures: list[NetworkError] = []
    async with trio.open_nursery() as nursery:

        async def find(gateway: AnyGateway) -> None:
            try:
                await gateway.find()
            except NetworkError as error:
                failures.append(error)
            else:
                answered.append(gateway)
                nursery.cancel_scope.cancel()

        for gateway in gateways:
            nursery.start_soon(find, gateway)
    if answered:
        return answered[0]
    raise NetworkError("; ".join(sorted(map(str, failures))), Reason.NO_GATEWAY)
