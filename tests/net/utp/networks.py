"""uTP in TCP's place, so that what is promised of streams can be held against it."""

from __future__ import annotations

from random import Random

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.base import DatagramSocket, Listener, Network
from magnetite.net.utp.port import UtpPort
from magnetite.net.utp.shared import SharedSocket
from magnetite.net.utp.stream import UtpStream


async def open_port(network: Network, local: Endpoint) -> UtpPort:
    """A port that lives as long as the test."""
    socket = await network.open_udp(local)
    port = UtpPort(socket, Random(str(socket.local)))
    trio.lowlevel.spawn_system_task(port.run)
    trio.lowlevel.spawn_system_task(_receive_forever, socket, port)
    return port


async def _receive_forever(socket: DatagramSocket, port: UtpPort) -> None:
    try:
        await SharedSocket(socket, port).receive_forever()
    finally:
        await socket.aclose()


class UtpNetwork:
    """Implements net.base.Network at one address of another network."""

    def __init__(self, inner: Network, ip: str) -> None:
        self._inner = inner
        self._ip = ip

    async def open_udp(self, local: Endpoint) -> DatagramSocket:
        return await self._inner.open_udp(local)

    async def listen(self, local: Endpoint) -> Listener:
        return await open_port(self._inner, local)

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> UtpStream:
        try:
            port = await open_port(self._inner, Endpoint(local_ip or self._ip, 0))
        except NetworkError as error:
            raise NetworkError(str(error), Reason.UNREACHABLE) from error
        return await port.connect(remote)

    async def resolve(self, host: str, port: int) -> list[Endpoint]:
        return await self._inner.resolve(host, port)
