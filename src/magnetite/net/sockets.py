"""What the operating system's UDP and TCP sockets have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SocketKind, socket
from typing import Any

from magnetite.endpoint import Endpoint


@contextmanager
def new_socket(kind: SocketKind, endpoint: Endpoint) -> Iterator[socket]:
    """A non-blocking socket of the endpoint's family; closed if the block fails. An IPv6 one speaks no IPv4."""
    opened = socket(AF_INET6 if endpoint.is_ipv6 else AF_INET, kind)
    try:
        opened.setblocking(False)
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
