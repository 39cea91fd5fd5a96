"""A router that speaks UPnP-IGD, through the library miniupnpc, which waits in threads."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, Protocol, TypeVar

import trio

from magnetite.errors import NetworkError, Reason
from magnetite.net.portmap.mapping import LIFETIME, IpProtocol, Lease, PortMapping, refused
from magnetite.net.portmap.routes import Route

T = TypeVar("T")

DISCOVERY: Final = 2000  # ms the library waits for routers to answer
PATIENCE: Final = 10.0  # seconds for a call; the library's own timeouts do not bound a router that drips
THREADS: Final = 3  # at most, those included that a router holds up and nobody waits for any more
NAME: Final = "magnetite"  # what the router's owner reads in its list
ONLY_PERMANENT: Final = "OnlyPermanentLeasesSupported"  # error 725 (WANIPConnection:1, 2.4.16)
TAKEN: Final = "ConflictInMappingEntry"  # error 718
PERMANENT: Final = 0  # seconds of a lease that we have to take away ourselves
TRIES: Final = 4  # ports, where others have the one we want
PORTS: Final = range(10_000, 60_000)


class Router(Protocol):
    """The library's object, as far as we use it. Every method waits, and raises bare exceptions."""

    def discover(self) -> int: ...
    def selectigd(self) -> object: ...
    def externalipaddress(self) -> str: ...
    def getspecificportmapping(self, port: int, protocol: str, /) -> tuple[str, int, str, bool, int] | None: ...
    def deleteportmapping(self, port: int, protocol: str, /) -> bool: ...
    def addportmapping(
        self, port: int, protocol: str, ip: str, internal: int, name: str, remote: str, lifetime: int, /
    ) -> bool: ...


_threads = trio.CapacityLimiter(THREADS)


class UpnpGateway:
    """Implements Gateway; `find` comes first. The protocol knows no epoch, so we look whether our mapping is there."""

    method = PortMapping.UPNP

    def __init__(self, route: Route, rng: Random) -> None:
        self._own_ip = route.own_ip
        self._rng = rng
        self._lease: Lease | None = None  # the last granted

    async def find(self) -> None:
        """Raises NetworkError if there is none, or no library."""
        self._router = await _in_thread(self._discover, Reason.NO_GATEWAY)

    def _discover(self) -> Router:
        try:
            from miniupnpc import UPnP
        except ImportError:
            raise NetworkError(
                "UPnP needs the library miniupnpc: pip install 'magnetite[upnp]'", Reason.NO_GATEWAY
            ) from None
        router: Router = UPnP(multicastif=self._own_ip, discoverdelay=DISCOVERY)
        router.discover()
        router.selectigd()
        return router

    async def has_restarted(self) -> bool:
        lease = self._lease
        return lease is not None and not await _in_thread(lambda: self._holder(lease.protocol, lease.external_port))

    async def map(self, protocol: IpProtocol, port: int, suggested: int) -> Lease:
        self._lease = await _in_thread(lambda: self._map(protocol, port, suggested))
        return self._lease

    async def unmap(self, lease: Lease) -> None:
        await _in_thread(lambda: self._unmap(lease))

    def _unmap(self, lease: Lease) -> None:
        if not lease.is_granted:  # perhaps never made, and the port somebody else's
            holder = self._holder(lease.protocol, lease.external_port)
            if holder is None or holder[:2] != (self._own_ip, lease.internal_port):
                return
        self._router.deleteportmapping(lease.external_port, lease.protocol.name)

    def _map(self, protocol: IpProtocol, port: int, suggested: int) -> Lease:
        for external in (suggested, *(self._rng.choice(PORTS) for _ in range(TRIES - 1))):
            if not self._is_ours(self._holder(protocol, external), port):
                continue
            try:
                lifetime = self._add(protocol, port, external)
            except Exception as error:  # the library raises nothing narrower
                if TAKEN not in str(error):
                    raise
            else:
                return Lease(protocol, port, external, self._router.externalipaddress() or None, lifetime)
        raise refused(TAKEN)

    def _holder(self, protocol: IpProtocol, external: int) -> tuple[str, int, str, bool, int] | None:
        """Whom the router forwards the port to: address, port, name and so on; None for nobody."""
        return self._router.getspecificportmapping(external, protocol.name)

    def _is_ours(self, holder: tuple[str, int, str, bool, int] | None, port: int) -> bool:
        """Whether we may have it: many a router would give us a port that another program here has mapped."""
        return holder is None or (holder[0] == self._own_ip and (holder[1] == port or holder[2] == NAME))

    def _add(self, protocol: IpProtocol, port: int, external: int) -> float:
        """The lifetime granted."""
        for lifetime in (LIFETIME, PERMANENT):
            try:
                self._router.addportmapping(external, protocol.name, self._own_ip, port, NAME, "", lifetime)
            except Exception as error:  # as above
                if lifetime == PERMANENT or ONLY_PERMANENT not in str(error):
                    raise
            else:
                break
        return LIFETIME  # also of a permanent one: it is looked after in the same way


async def _in_thread(call: Callable[[], T], otherwise: Reason = Reason.MAPPING_REFUSED) -> T:
    """The library's answer; a thread that hangs is left behind. Raises NetworkError(otherwise)."""
    with trio.move_on_after(PATIENCE):
        try:
            return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=_threads)
        except NetworkError:
            raise
        except Exception as error:  # the library raises nothing narrower
            raise NetworkError(f"UPnP: {error}", otherwise) from error
    raise NetworkError("UPnP: the router does not answer", Reason.NO_GATEWAY)
