"""A multicast group as one interface of this machine sees it."""

from __future__ import annotations

import socket
import sys
from contextlib import AsyncExitStack, suppress
from struct import pack
from typing import Final

import trio

from magnetite.endpoint import Endpoint
from magnetite.net.base import Datagram
from magnetite.net.failure import bind_failure
from magnetite.net.sockets import new_socket
from magnetite.net.udp import UdpSocket

HOPS: Final = 1  # the local link: an address from further away could be anybody's (BEP 14 leaves it open)
IP_MULTICAST_ALL: Final = 49  # Linux's, as the next; the socket module does not have them
IPV6_MULTICAST_ALL: Final = 29


class MulticastSocket:
    """Two sockets: one bound to the group hears, one bound to our address speaks, so that others see that one."""

    def __init__(self, group: Endpoint, hearing: UdpSocket, speaking: UdpSocket) -> None:
        self._group = group
        self._hearing = hearing
        self._speaking = speaking

    def send(self, data: bytes) -> bool:
        return self._speaking.send(data, self._group)

    async def receive_batch(self) -> list[Datagram]:
        """As DatagramSocket's."""
        return await self._hearing.receive_batch()

    async def aclose(self) -> None:
        await self._hearing.aclose()
        await self._speaking.aclose()


async def open_multicast(group: Endpoint, ip: str, index: int) -> MulticastSocket:
    """Join on the interface `index`, which has the address `ip`. Raises NetworkError(ADDRESS_UNAVAILABLE)."""
    await trio.lowlevel.checkpoint()
    async with AsyncExitStack() as stack:
        try:
            hearing = _open_hearing(group, ip, index)
            stack.push_async_callback(hearing.aclose)
            speaking = _open_speaking(group, ip, index)
        except OSError as error:
            raise bind_failure(error, f"cannot join {group} at {ip}") from error
        stack.pop_all()
        return MulticastSocket(group, hearing, speaking)


def _open_hearing(group: Endpoint, ip: str, index: int) -> UdpSocket:
    """Bound to the group's port, which all clients of this machine share."""
    with new_socket(socket.SOCK_DGRAM, group) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            _hear_only_what_was_joined(opened, group)
        else:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # what REUSEADDR is to Linux
        opened.bind(group)
        if group.is_ipv6:
            request = socket.inet_pton(socket.AF_INET6, group.ip) + pack("@I", index)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        else:
            request = socket.inet_aton(group.ip) + socket.inet_aton(ip)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        return UdpSocket(opened)


def _hear_only_what_was_joined(opened: socket.socket, group: Endpoint) -> None:
    """Not what other sockets have joined on other interfaces, which Linux hands to all; an old one goes on doing so."""
    with suppress(OSError):
        if group.is_ipv6:
            opened.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
        else:
            opened.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)


def _open_speaking(group: Endpoint, ip: str, index: int) -> UdpSocket:
    local = Endpoint(ip, 0)
    with new_socket(socket.SOCK_DGRAM, local) as opened:
        if group.is_ipv6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOPS)
        else:
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ip))
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
        opened.bind(local)
        return UdpSocket(opened)
