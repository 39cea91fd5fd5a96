"""The interfaces of this machine that we are present at. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from magnetite.endpoint import Endpoint
from magnetite.net.interfaces import Interface
from magnetite.net.ports import ANYWHERE


def used_interfaces(
    interfaces: Iterable[Interface], local: Sequence[Endpoint], name: str | None = None
) -> list[Interface]:
    """Those with addresses that our sockets, bound to `local`, have, and with these alone; of that `name`, if given."""
    bound = {endpoint.ip for endpoint in local}  # the unspecified address stands for all of its family
    used = []
    for each in interfaces:
        ips = tuple(ip for ip in each.ips if ip in bound or ANYWHERE[":" in ip] in bound)
        if ips and name in (None, each.name):
            used.append(Interface(each.name, each.index, ips))
    return used
