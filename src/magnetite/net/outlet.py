"""The network as its user wants it used: by one interface, from some addresses, through a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from magnetite.background import background
from magnetite.events import Emit
from magnetite.net.base import Network
from magnetite.net.bound import BoundNetwork
from magnetite.net.interfaces import interfaces, leads_nowhere_else, tether_to
from magnetite.net.proxied import ProxiedNetwork
from magnetite.net.real import RealNetwork
from magnetite.net.socks import Proxy
from magnetite.net.tethered import TetheredNetwork


@asynccontextmanager
async def open_outlet(
    network: Network | None,
    addresses: Sequence[str] | None,
    interface: str | None,
    proxy: Proxy | None,
    emit: Emit,
) -> AsyncIterator[Network]:
    """`network`, or the operating system's, from which nothing leaves but by `interface` and from `addresses`.

    With `proxy` nothing leaves but to that one. A network that is given knows its interfaces itself. Tasks that the
    outlet needs end with the block.
    """
    async with background() as nursery:
        if network is None:
            network = RealNetwork()
            if interface is not None or not all(leads_nowhere_else(ip) for ip in addresses or ()):
                network = TetheredNetwork(tether_to(interface), interfaces, RealNetwork, emit)
                nursery.start_soon(network.watch)
        if addresses is not None:
            network = BoundNetwork(network, addresses)
        yield network if proxy is None else ProxiedNetwork(network, proxy, nursery, emit)
