"""The port that all our addresses share, for TCP and UDP: peers are dialled where the DHT heard of us."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.base import DatagramSocket, Listener, Network
from magnetite.net.socks import ProxyRefusal

log = logging.getLogger(__name__)

ANYWHERE: Final = ("0.0.0.0", "::")
PORTS: Final = (*range(6881, 6890), 0)  # tried in turn where the user named none; 0 is any that is free
TRIES: Final = 16  # of a port that the network chose for one socket, and that is taken for another


@dataclass(frozen=True, slots=True)
class Ports:
    """Our open sockets, in the order of the addresses they are bound to; all have the same port.

    There are no listeners where nobody can dial us. `local` is where they are, or would be.
    """

    local: tuple[Endpoint, ...]
    sockets: tuple[DatagramSocket, ...]
    listeners: tuple[Listener, ...]


@asynccontextmanager
async def open_ports(
    network: Network, addresses: Sequence[str] | None, port: int | None, *, listen: bool = True
) -> AsyncIterator[Ports]:
    """UDP sockets, and listeners if we are to `listen`, at each of the addresses; closed with the block.

    None for `addresses` is all of this machine's, of the families it has; None for `port` the first of PORTS that is
    free everywhere. Raises NetworkError(ADDRESS_UNAVAILABLE).
    """
    ips = await _families(network) if addresses is None else tuple(dict.fromkeys(addresses))
    async with AsyncExitStack() as stack:
        yield await _open_first(network, ips, PORTS if port is None else (port,), listen, stack)


@asynccontextmanager
async def open_proxied_ports(network: Network, *, needed: bool = True) -> AsyncIterator[Ports]:
    """What there is of it behind a proxy: a UDP socket of each family.

    None where the proxy carries no UDP, and that is not `needed`. Raises NetworkError.
    """
    local = tuple(Endpoint(ip, 0) for ip in ANYWHERE)
    async with AsyncExitStack() as stack:
        sockets: list[DatagramSocket] = []
        try:
            for each in local:
                sockets.append(await network.open_udp(each))
                stack.push_async_callback(sockets[-1].aclose)
        except ProxyRefusal as error:
            if needed:
                what = f"{error}. The DHT goes by UDP: by a proxy without it, do without the DHT, and name peers"
                raise NetworkError(what, error.reason) from error
            log.warning("%s: there is no uTP", error)
            sockets.clear()
        yield Ports(local, tuple(sockets), ())


async def _families(network: Network) -> tuple[str, ...]:
    """The unspecified address of each family that this machine knows; of IPv4 where it knows none."""
    found = []
    for ip in ANYWHERE:
        try:
            probe = await network.open_udp(Endpoint(ip, 0))
        except NetworkError:
            continue
        await probe.aclose()
        found.append(ip)
    return tuple(found) or ANYWHERE[:1]


async def _open_first(
    network: Network, ips: Sequence[str], ports: Sequence[int], listen: bool, stack: AsyncExitStack
) -> Ports:
    failure = NetworkError("there is no address to listen on", Reason.ADDRESS_UNAVAILABLE)
    for port in ports:
        for _ in range(TRIES if port == 0 else 1):
            async with AsyncExitStack() as attempt:
                try:
                    opened = await _open_all(network, ips, port, listen, attempt)
                except NetworkError as error:
                    failure = error
                    continue
                stack.push_async_exit(attempt.pop_all())
                return opened
    raise failure


async def _open_all(network: Network, ips: Sequence[str], port: int, listen: bool, stack: AsyncExitStack) -> Ports:
    sockets: list[DatagramSocket] = []
    listeners: list[Listener] = []
    for ip in ips:
        if listen:
            listeners.append(await network.listen(Endpoint(ip, port)))
            stack.push_async_callback(listeners[-1].aclose)
            port = listeners[-1].local.port
        sockets.append(await network.open_udp(Endpoint(ip, port)))
        stack.push_async_callback(sockets[-1].aclose)
        port = sockets[-1].local.port
    return Ports(tuple(socket.local for socket in sockets), tuple(sockets), tuple(listeners))
