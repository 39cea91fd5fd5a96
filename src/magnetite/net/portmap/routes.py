"""Which router leads to the rest of the world, and which of our addresses faces it. IPv4: only that is translated.

Nothing is sent: connecting a UDP socket only asks the routing table.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Collection
from ipaddress import IPv4Address, ip_interface
from pathlib import Path
from typing import Final, NamedTuple

from magnetite.endpoint import Scope, scope_of

LINUX_ROUTES: Final = Path("/proc/net/route")
UP_AND_GATEWAY: Final = 0x3  # RTF_UP and RTF_GATEWAY
ELSEWHERE: Final = "192.0.2.1"  # TEST-NET-1: the route to it is the default one (RFC 5737)
MOST_ROUTES: Final = 1000  # lines read


class Route(NamedTuple):
    gateway: str
    own_ip: str  # ours, as the gateway sees it


def default_route(own: Collection[str]) -> Route | None:
    """The best way to the internet from one of our addresses `own`; None where there is none, or no need of it.

    There is no need where our own address is a public one. Where the system does not tell its routes as Linux does,
    the router is taken to be the first address of our /24, as it is in nearly every home.
    """
    for gateway in _gateways():
        own_ip = _address_towards(gateway)
        if own_ip is not None and scope_of(own_ip) is Scope.PRIVATE and own_ip in own:
            return Route(gateway, own_ip)
    return None


def parse_routes(text: str) -> list[str]:
    """The gateways of default routes in /proc/net/route, the best first; what is no route is passed over."""
    found: list[tuple[int, str]] = []
    for line in text.splitlines()[1:MOST_ROUTES]:
        try:
            _, destination, gateway, flags, _, _, metric, mask, *_ = line.split()
            if int(destination, 16) == int(mask, 16) == 0 and int(flags, 16) & UP_AND_GATEWAY == UP_AND_GATEWAY:
                packed = int(gateway, 16).to_bytes(4, sys.byteorder)  # the table holds addresses as numbers
                found.append((int(metric), str(IPv4Address(packed))))
        except (ValueError, OverflowError):
            continue
    return [gateway for _, gateway in sorted(found, key=lambda each: each[0])]


def _gateways() -> list[str]:
    try:
        return parse_routes(LINUX_ROUTES.read_text())
    except OSError:
        own_ip = _address_towards(ELSEWHERE)
        return [] if own_ip is None else [str(ip_interface(f"{own_ip}/24").network[1])]


def _address_towards(ip: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ip, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
