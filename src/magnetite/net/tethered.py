"""The operating system's network, of which one interface is used, or those of some addresses, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NoReturn, TypeVar
from weakref import WeakSet

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.events import Emit, InterfaceLost, InterfaceReturned
from magnetite.net.base import ByteStream, DatagramSocket, Listener, Network
from magnetite.net.interfaces import Interface, Mooring, Tether
from magnetite.net.moored import Moored, MooredListener, MooredSocket
from magnetite.net.ports import ANYWHERE
from magnetite.net.sockets import Tie

LOOK_EVERY: Final = 2.0  # seconds; a look takes half a millisecond

M = TypeVar("M", MooredSocket, MooredListener)


class TetheredNetwork:
    """Implements net.base.Network on networks that are tied to an interface, which `network_at` gives.

    Invariant: from when `look` has seen that an interface or address has gone, or is another under the old name, until
    it has seen it back, nothing that was opened by way of it is open.
    """

    def __init__(
        self,
        tether: Tether,
        interfaces: Callable[[], Sequence[Interface]],
        network_at: Callable[[Tie | None], Network],
        emit: Emit,
    ) -> None:
        self._tether = tether
        self._interfaces = interfaces
        self._network_at = network_at
        self._emit = emit
        self._moorings: dict[str, Mooring | None] = {}  # by the local address that is used
        self._moored: dict[Moored[Any], None] = {}
        self._own: frozenset[str] = frozenset()  # addresses of this machine
        self._streams: dict[str, WeakSet[ByteStream]] = {}  # by local address, as above

    async def open_udp(self, local: Endpoint) -> DatagramSocket:
        return await self._open(MooredSocket(local, self._open_udp_at, self._forget))

    async def listen(self, local: Endpoint) -> Listener:
        listener = MooredListener(local, self._listen_at, self._forget)
        listener.keep = partial(self._keep, local.ip)
        return await self._open(listener)

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> ByteStream:
        ip = local_ip or ANYWHERE[remote.is_ipv6]
        mooring = self._mooring(ip)
        if mooring is None:
            raise NetworkError(f"no route to {remote}: the {self._tether.name(ip)} is away", Reason.UNREACHABLE)
        network = self._network_at(None if self._is_here(remote, mooring) else mooring.tie)
        return self._keep(ip, await network.connect(remote, None if mooring.ip in ANYWHERE else mooring.ip))

    async def resolve(self, host: str, port: int) -> list[Endpoint]:
        """By the system's resolver, which takes the way it likes; not at all while everything is away."""
        if self._moorings and not any(self._moorings.values()):
            raise NetworkError(f"cannot look up {host}: the network is away", Reason.NAME_NOT_FOUND)
        return await self._network_at(None).resolve(host, port)

    async def watch(self) -> NoReturn:
        while True:
            await trio.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Notice what has gone and what is back, and open or close sockets accordingly."""
        interfaces = self._look()
        for ip, before in list(self._moorings.items()):
            mooring = self._tether.moor(ip, interfaces)
            if mooring != before:
                self._moorings[ip] = mooring
                self._tell(ip, before, mooring)
                for stream in list(self._streams.pop(ip, ())):
                    await stream.aclose()
        for each in list(self._moored):
            await each.moor(self._moorings[each.local.ip])

    # -- within -------------------------------------------------------------------------------------------------------

    def _look(self) -> Sequence[Interface]:
        interfaces = self._interfaces()
        self._own = frozenset(ip for each in interfaces for ip in each.ips)
        return interfaces

    def _mooring(self, ip: str) -> Mooring | None:
        if ip not in self._moorings:
            self._moorings[ip] = self._tether.moor(ip, self._look())
        return self._moorings[ip]

    def _tell(self, ip: str, before: Mooring | None, after: Mooring | None) -> None:
        """Once for a name that several addresses share."""
        name, now = self._tether.name(ip), trio.current_time()
        of_name = [mooring for other, mooring in self._moorings.items() if self._tether.name(other) == name]
        if after is None and not any(of_name):
            self._emit(InterfaceLost(now, name))
        elif before is None and sum(mooring is not None for mooring in of_name) == 1:
            self._emit(InterfaceReturned(now, name))

    async def _open(self, moored: M) -> M:
        ip = moored.local.ip
        mooring = self._mooring(ip)
        if mooring is None:
            there = ", ".join(each.name for each in self._interfaces())
            what = f"the {self._tether.name(ip)} is not there; there are the interfaces {there}"
            raise NetworkError(what, Reason.ADDRESS_UNAVAILABLE)
        await moored.open(mooring)
        self._moored[moored] = None
        return moored

    async def _open_udp_at(self, mooring: Mooring, port: int) -> DatagramSocket:
        return await self._network_at(mooring.tie).open_udp(Endpoint(mooring.ip, port))

    async def _listen_at(self, mooring: Mooring, port: int) -> Listener:
        return await self._network_at(mooring.tie).listen(Endpoint(mooring.ip, port))

    def _is_here(self, remote: Endpoint, mooring: Mooring) -> bool:
        """Whether it is this machine, by another of its addresses: no interface but the loopback one leads there."""
        if mooring.tie is None or not mooring.tie.is_open:
            return False
        return remote.ip in self._own

    def _keep(self, ip: str, stream: ByteStream) -> ByteStream:
        self._streams.setdefault(ip, WeakSet()).add(stream)
        return stream

    def _forget(self, moored: Moored[Any]) -> None:
        self._moored.pop(moored, None)
