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
from magnetite.simnet.nat import Nat
from magnetite.simnet.stream import SimStream

if TYPE_CHECKING:
    from magnetite.simnet.fabric import Fabric

EPHEMERAL = range(49152, 65536)  # ports given to those who ask for port 0 (RFC 6335)
ANY = ("0.0.0.0", "::")


class Host:
    """One machine, with one address, perhaps behind a router. Made by `Fabric.host`."""

    def __init__(self, fabric: Fabric, ip: str, link: Link, nat: Nat | None = None) -> None:
        self.ip = ip  # its own: what its sockets are bound to
        self.nat = nat
        self.uplink = Line(link.up, link.up_queue)
        self.downlink = Line(link.down, link.down_queue)
        self.latency = link.latency
        self.is_reachable = True  # it is running, and on the network
        self._fabric = fabric
        self._is_ipv6 = ip_address(ip).version == 6
        self._is_running = True
        self.streams: dict[SimStream, None] = {}  # the open ones, in order of their making
        self._udp: dict[int, SimDatagramSocket] = {}
        self._sources: dict[int, Endpoint] = {}  # by port: one object for all that receive what is sent from it
        self._listeners: dict[int, SimListener] = {}
        self._last_ephemeral = 0

    @property
    def public_ip(self) -> str:
        """The address others see: the router's, if there is one."""
        return self.nat.ip if self.nat is not None else self.ip

    def is_at(self, ip: str) -> bool:
        """Whether it is on the network, and reached under that address."""
        return self.is_reachable and (ip == self.ip or ip == self.public_ip)

    def unplug(self) -> None:
        """Take the cable out: nothing leaves or arrives, and the host's own sockets notice when they send."""
        self.is_reachable = False

    def plug(self) -> None:
        self.is_reachable = self._is_running

    def crash(self) -> None:
        """The machine goes down: its sockets are gone, and nothing answers at its address until `restart`."""
        self._is_running = self.is_reachable = False
        for socket in list(self._udp.values()):
            socket.close()
        for listener in list(self._listeners.values()):
            listener.close()
        for stream in list(self.streams):
            stream.abort()

    def restart(self) -> None:
        """The machine is up again, without any socket, and with its cable in."""
        self._is_running = self.is_reachable = True

    async def open_udp(self, local: Endpoint) -> SimDatagramSocket:
        await trio.lowlevel.checkpoint()
        bound = self._bind(local, self._udp)
        send = partial(self._send_datagram, bound.port)
        socket = SimDatagramSocket(bound, send, partial(self._release_udp, bound.port))
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

    def deliver(self, data: bytes, source: Endpoint, port: int) -> None:
        """A datagram came through the line: it goes to its socket, if there is one still."""
        socket = self._udp.get(port)
        if socket is not None and self.is_reachable:
            socket.deliver(data, source)

    def _send_datagram(self, port: int, data: bytes, to: Endpoint) -> bool:
        if not self._can_reach(to):
            return False
        source = self._sources.get(port)
        if source is None or source.ip != self.ip:
            source = self._sources[port] = Endpoint(self.ip, port)
        self._fabric.carry(self, data, source, to)
        return True

    def _release_udp(self, port: int) -> None:
        del self._udp[port]
        self._sources.pop(port, None)

    def _can_reach(self, to: Endpoint) -> bool:
        return self.is_reachable and (":" in to[0]) is self._is_ipv6 and to[1] != 0

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
