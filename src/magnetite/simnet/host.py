"""A host of the virtual network: its address, ports and sockets. Implements net.base.Network."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.simnet.datagrams import SimDatagramSocket
from magnetite.simnet.dial import Dial
from magnetite.simnet.links import Line, Link
from magnetite.simnet.listener import SimListener
from magnetite.simnet.stream import SimStream

if TYPE_CHECKING:
    from magnetite.simnet.fabric import Fabric

EPHEMERAL = range(49152, 65536)  # ports given to those who ask for port 0 (RFC 6335)
ANY = ("0.0.0.0", "::")


class Host:
    """One machine, with one address. Made by `Fabric.host`."""

    def __init__(self, fabric: Fabric, ip: str, link: Link) -> None:
        self.ip = ip
        self.uplink = Line(link.up)
        self.downlink = Line(link.down)
        self._fabric = fabric
        self._is_ipv6 = ip_address(ip).version == 6
        self._is_running = True
        self._is_plugged = True
        self.streams: dict[SimStream, None] = {}  # the open ones, in order of their making
        self._udp: dict[int, SimDatagramSocket] = {}
        self._listeners: dict[int, SimListener] = {}
        self._last_ephemeral = 0

    @property
    def is_reachable(self) -> bool:
        return self._is_running and self._is_plugged

    def unplug(self) -> None:
        """Take the cable out: nothing leaves or arrives, and the host's own sockets notice when they send."""
        self._is_plugged = False

    def plug(self) -> None:
        self._is_plugged = True

    def crash(self) -> None:
        """The machine goes down: its sockets are gone, and nothing answers at its address until `restart`."""
        self._is_running = False
        for socket in list(self._udp.values()):
            socket.close()
        for listener in list(self._listeners.values()):
            listener.close()
        for stream in list(self.streams):
            stream.abort()

    def restart(self) -> None:
        """The machine is up again, without any socket."""
        self._is_running = True

    async def open_udp(self, local: Endpoint) -> SimDatagramSocket:
        await trio.lowlevel.checkpoint()
        bound = self._bind(local, self._udp)
        send = partial(self._send_datagram, bound.port)
        socket = SimDatagramSocket(bound, send, partial(self._udp.pop, bound.port, None))
        self._udp[bound.port] = socket
        return socket

    async def listen(self, local: Endpoint) -> SimListener:
        await trio.lowlevel.checkpoint()
        bound = self._bind(local, self._listeners)
        listener = self._listeners[bound.port] = SimListener(bound, partial(self._listeners.pop, bound.port, None))
        return listener

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> SimStream:
        """One round trip if there is a listener; 127 s until CONNECT_TIMEOUT if nothing answers."""
        await trio.lowlevel.checkpoint()
        if not self._can_reach(remote) or local_ip not in (None, self.ip):
            raise NetworkError(f"no route from {local_ip or self.ip} to {remote}", Reason.UNREACHABLE)
        local = Endpoint(self.ip, self._free_port(self._listeners))
        return await Dial(self._fabric, self, local, remote).answer()

    def listener(self, port: int) -> SimListener | None:
        return self._listeners.get(port)

    async def resolve(self, host: str, port: int) -> list[Endpoint]:
        """The addresses of a name in `Fabric.names`, or the one of a literal address, at once."""
        await trio.lowlevel.checkpoint()
        try:
            return [Endpoint(str(ip_address(host)), port)]
        except ValueError:
            pass
        if host not in self._fabric.names or not self.is_reachable:
            raise NetworkError(f"the name {host} does not resolve", Reason.NAME_NOT_FOUND)
        return [Endpoint(ip, port) for ip in self._fabric.names[host]]

    def deliver(self, data: bytes, source: Endpoint, to: Endpoint) -> None:
        """A datagram came through the line: it goes to its socket, if there is one still."""
        socket = self._udp.get(to.port)
        if socket is not None and self.is_reachable:
            socket.deliver(data, source)

    def _send_datagram(self, port: int, data: bytes, to: Endpoint) -> bool:
        if not self._can_reach(to):
            return False
        self._fabric.carry(self, data, Endpoint(self.ip, port), to)
        return True

    def _can_reach(self, to: Endpoint) -> bool:
        return self.is_reachable and to.is_ipv6 is self._is_ipv6 and to.port != 0

    def _bind(self, local: Endpoint, taken: Container[int]) -> Endpoint:
        """The endpoint a socket gets that asked for `local`."""
        if trio.lowlevel.current_clock() is not self._fabric.clock:
            raise RuntimeError("this run is not under the fabric's clock: simnet.run(..., clock=clock)")
        if not self._is_running or local.ip not in (self.ip, ANY[self._is_ipv6]):
            raise NetworkError(f"{local.ip} is not an address of this host", Reason.ADDRESS_UNAVAILABLE)
        port = local.port or self._free_port(taken)
        if port in taken:
            raise NetworkError(f"port {port} is in use on {self.ip}", Reason.ADDRESS_UNAVAILABLE)
        return Endpoint(local.ip, port)

    def _free_port(self, taken: Container[int]) -> int:
        for _ in EPHEMERAL:
            self._last_ephemeral = (self._last_ephemeral + 1) % len(EPHEMERAL)
            if EPHEMERAL[self._last_ephemeral] not in taken:
                return EPHEMERAL[self._last_ephemeral]
        raise NetworkError(f"no free port on {self.ip}", Reason.ADDRESS_UNAVAILABLE)
