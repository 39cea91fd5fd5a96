"""Which id our node has at which address: kept, so that who knows us knows us again. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from magnetite.dht.security import is_valid_id, make_id
from magnetite.endpoint import Endpoint, Scope, scope_of
from magnetite.ids import NodeId

MAX_ADDRESSES: Final = 16  # a laptop's places


class OwnIds:
    """Our ids by IP address, local or external, the latest last. At most 16.

    A node that comes back to an address takes up its old place there, where its neighbours and the peers it stores are.
    """

    def __init__(self, saved: Mapping[str, NodeId], rng: random.Random) -> None:
        self._ids = dict(saved)
        self._rng = rng

    @property
    def by_ip(self) -> dict[str, NodeId]:
        return dict(self._ids)

    def at_start(self, local: Endpoint) -> NodeId:
        """The id to begin with on a socket bound to `local`: the one of last time, or one that is valid there."""
        node_id = self._ids.get(local.ip)
        if node_id is None or not is_valid_id(node_id, local.ip):
            is_known = local.scope is Scope.GLOBAL
            node_id = make_id(local.ip, self._rng) if is_known else NodeId(self._rng.getrandbits(160))
        self._remember(local.ip, node_id)
        return node_id

    def at_external(self, local: Endpoint, ip: str, current: NodeId) -> NodeId:
        """The id to have where others see us at `ip`: the current one, if it is valid there (BEP 42)."""
        if scope_of(ip) is Scope.GLOBAL and not is_valid_id(current, ip):
            known = self._ids.get(ip)
            current = known if known is not None and is_valid_id(known, ip) else make_id(ip, self._rng)
        self._remember(ip, current)
        self._remember(local.ip, current)
        return current

    def _remember(self, ip: str, node_id: NodeId) -> None:
        self._ids.pop(ip, None)
        self._ids[ip] = node_id
        if len(self._ids) > MAX_ADDRESSES:
            del self._ids[next(iter(self._ids))]
