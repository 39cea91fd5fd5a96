"""The operating system's network."""

from __future__ import annotations

from ipaddress import ip_address
from socket import SOCK_STREAM

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net import tcp, udp
from magnetite.net.sockets import Tie, endpoint_of


class RealNetwork:
    """Implements net.base.Network on sockets, tied to a network interface if one is named."""

    def __init__(self, tie: Tie | None = None) -> None:
        self._tie = tie

    async def open_udp(self, local: Endpoint) -> udp.UdpSocket:
        await trio.lowlevel.checkpoint()
        return udp.open_udp(local, self._tie)

    async def listen(self, local: Endpoint) -> tcp.TcpListener:
        await trio.lowlevel.checkpoint()
        return tcp.listen(local, self._tie)

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> tcp.TcpStream:
        return await tcp.connect(remote, local_ip, self._tie)

    async def resolve(self, host: str, port: int) -> list[Endpoint]:
        """A name is looked up in a worker thread, which a cancellation leaves behind."""
        try:
            literal = str(ip_address(host)).partition("%")[0]
        except ValueError:
            return await _look_up(host, port)
        await trio.lowlevel.checkpoint()
        return [Endpoint(literal, port)]


async def _look_up(name: str, port: int) -> list[Endpoint]:
    try:
        found = await trio.socket.getaddrinfo(name, port, type=SOCK_STREAM)
    except (OSError, ValueError) as error:  # ValueError: text that cannot be a name, as IDNA sees it
        raise NetworkError(f"the name {name} does not resolve: {error}", Reason.NAME_NOT_FOUND) from error
    return list(dict.fromkeys(endpoint_of(address) for *_, address in found))
