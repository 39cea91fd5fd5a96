"""Where a client or node stands in its network: the way out, its sockets, and what makes them known to others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from magnetite.events import Emit
from magnetite.net.base import Network
from magnetite.net.home import Home
from magnetite.net.outlet import open_outlet
from magnetite.net.portmap.mapping import PortMapping, methods_of
from magnetite.net.ports import Ports, open_ports, open_proxied_ports
from magnetite.net.socks import parse_proxy

Bind: TypeAlias = str | Sequence[str] | None
"""The addresses to be present at, and to send from; None for all of this machine's."""


@dataclass(frozen=True, slots=True)
class Footing:
    """What is asked of `open_stand`; `open_client` explains each."""

    port: int | None
    bind: Bind
    interface: str | None
    proxy: str | None
    port_mapping: PortMapping


@dataclass(frozen=True, slots=True)
class Stand:
    """Made by `open_stand`. `mapping_methods` are those by which a router may be asked, in order; perhaps none."""

    network: Network
    ports: Ports
    home: Home
    mapping_methods: Collection[PortMapping]
    is_proxied: bool


@asynccontextmanager
async def open_stand(
    wanted: Footing,
    network: Network | None,
    *,
    rng: Random,
    emit: Emit,
    listen: bool = True,
    needs_datagrams: bool = True,
) -> AsyncIterator[Stand]:
    """Open what is `wanted`; all is closed with the block. Behind a proxy nobody's router is asked.

    Raises NetworkError if it cannot be bound, or the proxy does not do what is needed, and LocalProtocolError for a
    `proxy` that is none.
    """
    addresses = (wanted.bind,) if isinstance(wanted.bind, str) else wanted.bind
    methods = methods_of(wanted.port_mapping, is_tied=wanted.interface is not None or addresses is not None)
    via = None if wanted.proxy is None else parse_proxy(wanted.proxy)
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(open_outlet(network, addresses, wanted.interface, via, emit))
        if via is None:
            ports = await stack.enter_async_context(open_ports(network, addresses, wanted.port, listen=listen))
        else:
            ports = await stack.enter_async_context(open_proxied_ports(network, needed=needs_datagrams))
        home = Home(network, ports.local, wanted.interface, rng, emit)
        yield Stand(network, ports, home, methods if via is None else (), via is not None)
