"""What a client has to do with the network it lives in: the router that forwards its port, and local peers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from random import Random
from typing import NoReturn

from magnetite.endpoint import Endpoint
from magnetite.events import Emit
from magnetite.ids import InfoHash
from magnetite.net.base import Network
from magnetite.net.interfaces import Interface, interfaces
from magnetite.net.lsd.discovery import LocalDiscovery, OnFound
from magnetite.net.lsd.multicast import open_multicast
from magnetite.net.portmap.keep import BOTH, OnMapped, PortKeeper
from magnetite.net.portmap.mapping import IpProtocol, PortMapping
from magnetite.net.portmap.routes import Route, default_route
from magnetite.net.used import used_interfaces


class Home:
    """By the interfaces that have the addresses `local`, which our sockets are bound to, or by `interface` alone."""

    def __init__(
        self, network: Network, local: Sequence[Endpoint], interface: str | None, rng: Random, emit: Emit
    ) -> None:
        self._network = network
        self._local = local
        self._interface = interface
        self._rng = rng
        self._emit = emit

    async def keep_mapped(
        self, methods: Collection[PortMapping], on_mapped: OnMapped, protocols: Sequence[IpProtocol] = BOTH
    ) -> NoReturn:
        """Have a router forward our port for as long as this runs, and a moment longer."""
        port = self._local[0].port
        keeper = PortKeeper(self._network, port, methods, self._route, self._rng, self._emit, on_mapped, protocols)
        await keeper.run()

    async def meet_neighbours(self, torrents: Callable[[], Iterable[InfoHash]], on_found: OnFound) -> NoReturn:
        """Announce `torrents` in the local network, and hear of others that have them."""
        port = self._local[0].port
        await LocalDiscovery(port, self._rng, self._interfaces, open_multicast, torrents, on_found).run()

    def _interfaces(self) -> list[Interface]:
        return used_interfaces(interfaces(), self._local, self._interface)

    def _route(self) -> Route | None:
        return default_route([ip for each in self._interfaces() for ip in each.ips])
