"""An IP address and a port: the compact forms of BEP 5, 7 and 32, and which addresses to believe. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton  # conversions only: no socket is opened here
from typing import NamedTuple, TypeAlias

from magnetite.errors import RemoteProtocolError

COMPACT4 = 6  # bytes: IPv4 address and port
COMPACT6 = 18  # bytes: IPv6 address and port

Address: TypeAlias = tuple[str, int]
"""A host, by name or address, and a port."""


class Scope(IntEnum):
    """How far an address reaches; what we hear of wider scope than our own socket's is believed, narrower is not."""

    NOWHERE = 0  # unspecified, multicast, broadcast, reserved: never contacted
    LOOPBACK = 1
    LINK = 2
    PRIVATE = 3
    GLOBAL = 4


class Endpoint(NamedTuple):
    """Where a node or a peer is reached: the textual IP address and the port. Compares equal to `(ip, port)`."""

    ip: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.ip

    @property
    def scope(self) -> Scope:
        return scope_of(self.ip)

    @property
    def owner(self) -> str | Endpoint:
        """What stands for one party in limits: a public address; in a private network, where hosts share, an endpoint.

        Behind one public address there may be several, too, but there they could be made up without end.
        """
        return self.ip if self.scope is Scope.GLOBAL else self

    def compact(self) -> bytes:
        """6 bytes for IPv4 (BEP 5, Contact Encoding), 18 for IPv6 (BEP 32)."""
        return inet_pton(AF_INET6 if self.is_ipv6 else AF_INET, self.ip) + self.port.to_bytes(2, "big")

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.is_ipv6 else f"{self.ip}:{self.port}"


def decode_endpoint(data: bytes) -> Endpoint:
    """One endpoint from its compact form. Raises RemoteProtocolError unless it is 6 or 18 bytes."""
    if len(data) == COMPACT4:
        return Endpoint(inet_ntop(AF_INET, data[:4]), data[4] << 8 | data[5])
    if len(data) == COMPACT6:
        return Endpoint(inet_ntop(AF_INET6, data[:16]), data[16] << 8 | data[17])
    raise RemoteProtocolError(f"compact address of {len(data)} bytes")


def split_host_port(text: str) -> tuple[str, int]:
    """Host and port of `host:port`, the brackets of an IPv6 address taken off. Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, as [2001:db8::1]:6881")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host, int(port)


_BY_FIRST_BYTE = {
    **{first: Scope.GLOBAL for first in range(1, 224) if first not in (100, 169, 172, 192, 198, 203)},
    **dict.fromkeys((0, *range(224, 256)), Scope.NOWHERE),
    10: Scope.PRIVATE,
    127: Scope.LOOPBACK,
}
"""Where the first byte of an IPv4 address says it all (IANA's registry of special-purpose addresses)."""


@lru_cache(maxsize=16_384)
def scope_of(ip: str) -> Scope:
    """How far `ip` reaches; text that is no address reaches nowhere."""
    try:
        # A microsecond, where asking the library takes ten; a busy node hears of millions.
        scope = _BY_FIRST_BYTE.get(inet_pton(AF_INET, ip)[0])
    except (OSError, ValueError):
        scope = None  # IPv6, or no address at all
    return _ask_library(ip) if scope is None else scope


def _ask_library(ip: str) -> Scope:
    try:
        address: IPv4Address | IPv6Address = ip_address(ip)
    except ValueError:
        return Scope.NOWHERE
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return Scope.NOWHERE  # a second spelling of an IPv4 address would escape every per-address limit
    if address.is_loopback:  # before the reserved ranges: ::1 lies in one of them
        return Scope.LOOPBACK
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        return Scope.NOWHERE
    if isinstance(address, IPv4Address) and address.packed[0] == 0:
        return Scope.NOWHERE
    if address.is_link_local:
        return Scope.LINK
    if isinstance(address, IPv6Address) and address.is_site_local:
        return Scope.PRIVATE  # deprecated, but never routed
    return Scope.GLOBAL if address.is_global else Scope.PRIVATE


def is_contactable(endpoint: Endpoint, own: Scope) -> bool:
    """Whether an endpoint that a stranger named may be contacted from a socket bound in scope `own`.

    Port 0 and addresses that reach nowhere never are. Loopback, link-local and private addresses are only from a
    socket of the same scope: otherwise anybody in the DHT could aim us at the hosts behind our own router.
    """
    scope = scope_of(endpoint.ip)
    return endpoint.port != 0 and (scope is Scope.GLOBAL or (scope is own and scope is not Scope.NOWHERE))


def may_contact(endpoint: Endpoint, local: Iterable[Endpoint]) -> bool:
    """Whether a stranger's endpoint may be contacted from one of our sockets, bound to `local`: one of its family."""
    return any(own.is_ipv6 is endpoint.is_ipv6 and is_contactable(endpoint, own.scope) for own in local)
