"""What is asked of a router and what it grants, whichever protocol it speaks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from magnetite.errors import LocalProtocolError, NetworkError, Reason

PORT: Final = 5351  # of the gateway, in NAT-PMP (RFC 6886, 3) and PCP (RFC 6887, 19.1)
LIFETIME: Final = 3600  # seconds asked for; what a crash leaves behind at the router is gone after that
LONGEST: Final = 24 * 3600.0  # seconds a lease is believed in; what is granted for longer is renewed all the same
RENEW_AT_LEAST: Final = 60.0  # seconds between two renewals, however short a lease is


class PortMapping(Enum):
    """How the router is asked to forward our port; AUTO is by whatever it speaks."""

    AUTO = "auto"
    UPNP = "upnp"
    NATPMP = "natpmp"
    PCP = "pcp"
    OFF = "off"


UDP_METHODS: Final = (PortMapping.PCP, PortMapping.NATPMP)  # spoken by our own sockets


def methods_of(wish: PortMapping, *, is_tied: bool) -> tuple[PortMapping, ...]:
    """What to try. `is_tied` says that nothing may leave but from some addresses or by one interface.

    That cannot be promised of UPnP: a library speaks it, with whomever a router names. Raises LocalProtocolError.
    """
    match wish:
        case PortMapping.OFF:
            return ()
        case PortMapping.AUTO:
            return UDP_METHODS if is_tied else (*UDP_METHODS, PortMapping.UPNP)
        case PortMapping.UPNP if is_tied:
            raise LocalProtocolError("UPnP cannot be kept to an address or interface; choose pcp or natpmp")
    return (wish,)


class IpProtocol(Enum):
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True)
class Lease:
    """A mapping as the router grants it. `ip` is its own external address, None where it does not say."""

    protocol: IpProtocol
    internal_port: int
    external_port: int
    ip: str | None
    lifetime: float  # seconds

    @property
    def is_granted(self) -> bool:
        """False of one that was asked for, and not answered yet."""
        return self.lifetime > 0

    @property
    def renew_after(self) -> float:
        """Seconds: half the lifetime (RFC 6886, 3.3; RFC 6887, 11.2.1), within bounds no router can move."""
        return max(RENEW_AT_LEAST, min(self.lifetime, LONGEST) / 2)


class Gateway(Protocol):
    """A router that answered. Every method raises NetworkError: NO_GATEWAY or MAPPING_REFUSED."""

    @property
    def method(self) -> PortMapping: ...

    async def map(self, protocol: IpProtocol, port: int, suggested: int) -> Lease:
        """Forward a port to ours, `suggested` if it is free; also to renew it."""
        ...

    async def unmap(self, lease: Lease) -> None: ...

    async def has_restarted(self) -> bool:
        """Whether it may have forgotten what it granted since it was asked last."""
        ...


def refused(what: str) -> NetworkError:
    return NetworkError(f"the router refuses: {what}", Reason.MAPPING_REFUSED)
