"""What the operating system's UDP and TCP sockets have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SOCK_DGRAM,
    SOL_SOCKET,
    SocketKind,
    socket,
)
from typing import Any, Final

from magnetite.endpoint import Endpoint

# Linux's; the socket module has the first of the names there alone, and the other nowhere.
SO_BINDTODEVICE: Final = 25
IP_UNICAST_IF: Final = 50

LOOPBACK: Final = "lo"  # every Linux has it


@dataclass(frozen=True, slots=True)
class Tie:
    """A network interface that whatever a socket sends leaves by.

    With `is_open` datagrams still come in by any: among them those of other programs on this machine, which take the
    loopback interface whatever address they are sent to.
    """

    device: str
    index: int
    is_open: bool = False


def can_tie() -> bool:
    """Whether the system ties our sockets to a network interface: Linux does, since 5.7 for everybody."""
    if sys.platform != "linux":
        return False
    try:
        with new_socket(SOCK_DGRAM, Endpoint("127.0.0.1", 0), Tie(LOOPBACK, 0)) as probe:
            probe.close()
    except OSError:
        return False
    return True


def _tie(opened: socket, tie: Tie) -> None:
    if tie.is_open and opened.type == SOCK_DGRAM and opened.family == AF_INET:
        opened.setsockopt(IPPROTO_IP, IP_UNICAST_IF, tie.index.to_bytes(4, "big"))
    else:  # of IPv6 that option is but a wish; but there, own datagrams count as come in by the address's interface
        opened.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, tie.device.encode())


@contextmanager
def new_socket(kind: SocketKind, endpoint: Endpoint, tie: Tie | None = None) -> Iterator[socket]:
    """A non-blocking socket of the endpoint's family; closed if the block fails. An IPv6 one speaks no IPv4.

    Raises OSError.
    """
    opened = socket(AF_INET6 if endpoint.is_ipv6 else AF_INET, kind)
    try:
        opened.setblocking(False)
        if tie is not None:
            _tie(opened, tie)
        if endpoint.is_ipv6:
            opened.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)
        yield opened
    except BaseException:
        opened.close()
        raise


def endpoint_of(address: tuple[Any, ...]) -> Endpoint:
    """From `(ip, port)` of IPv4 or `(ip, port, flow, scope)` of IPv6; the scope of `fe80::1%eth0` is cut off."""
    if len(address) == 2:
        return Endpoint(address[0], address[1])
    return Endpoint(address[0].partition("%")[0], address[1])
