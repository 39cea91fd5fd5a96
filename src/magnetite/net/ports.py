"""The port that TCP and UDP share: peers are dialled where the DHT heard of us."""

from __future__ import annotations

from contextlib import AsyncExitStack

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import DatagramSocket, Listener, Network

PORTS = (*range(6881, 6890), 0)  # tried in turn where the user named none; 0 is any that is free


async def open_port(network: Network, ip: str, port: int | None) -> tuple[Listener, DatagramSocket]:
    """TCP for peers and UDP for the DHT, on the first port of PORTS that is free for both, or the one asked for."""
    for candidate in PORTS if port is None else (port,):
        async with AsyncExitStack() as stack:
            try:
                listener = await network.listen(Endpoint(ip, candidate))
                stack.push_async_callback(listener.aclose)
                socket = await network.open_udp(listener.local)
            except NetworkError as error:
                failure = error
                continue
            stack.pop_all()
            return listener, socket
    raise failure
