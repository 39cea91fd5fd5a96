"""Where in the local network we announce ourselves: at which addresses of which interfaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from magnetite.endpoint import Endpoint, Scope, scope_of
from magnetite.net.interfaces import Interface
from magnetite.net.lsd.announcement import GROUP4, GROUP6


@dataclass(frozen=True, slots=True)
class Post:
    """A group, and the address and interface that we join it with."""

    group: Endpoint
    ip: str
    index: int


def posts_of(interfaces: Iterable[Interface]) -> list[Post]:
    """One of each family and interface that is in a private network: the public internet is nobody's neighbourhood.

    A link-local address of IPv6 is none: without its interface, which an Endpoint does not have, it cannot be dialled.
    """
    posts = []
    for each in interfaces:
        scopes = {ip: scope_of(ip) for ip in each.ips}
        if Scope.PRIVATE not in scopes.values():
            continue
        own4 = next((ip for ip, scope in scopes.items() if ":" not in ip and scope is Scope.PRIVATE), None)
        own6 = next((ip for ip, scope in scopes.items() if ":" in ip and scope >= Scope.PRIVATE), None)
        posts += [Post(GROUP4, own4, each.index)] if own4 else []
        posts += [Post(GROUP6, own6, each.index)] if own6 else []
    return posts
