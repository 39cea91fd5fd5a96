"""Which endpoints answer under one id, and which under any that suits them. Pure."""

from __future__ import annotations

from typing import Final

from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId

BAN: Final = 12 * 3600.0  # seconds; mldht's
CHANGES: Final = 2  # within MEMORY: one is a restart, or an id made for a new address (BEP 42)
MEMORY: Final = 3600.0  # seconds
MAX_ENDPOINTS: Final = 4_096


class Identities:
    """The id each endpoint last answered with, of the endpoints that answered last, and which are banned.

    A node that takes another id for every question is near whatever is looked for. Endpoints, not addresses, for
    behind one address may be many honest nodes. Bounded: those that answered longest ago are forgotten.
    """

    def __init__(self) -> None:
        self._seen: dict[Endpoint, NodeId] = {}
        self._changed: dict[Endpoint, tuple[float, ...]] = {}  # when; few ever do
        self._banned: dict[Endpoint, float] = {}  # until when

    def __len__(self) -> int:
        return len(self._seen) + len(self._banned)

    def on_answer(self, endpoint: Endpoint, node_id: NodeId, now: float) -> None:
        known = self._seen.pop(endpoint, node_id)
        if known != node_id and self._changes_often(endpoint, now):
            self._banned[endpoint] = now + BAN
            _bound(self._banned)
            return
        self._seen[endpoint] = node_id
        _bound(self._seen)

    def is_banned(self, endpoint: Endpoint, now: float) -> bool:
        return endpoint in self._banned and self._banned[endpoint] > now

    def _changes_often(self, endpoint: Endpoint, now: float) -> bool:
        """Whether the change it has just made is one too many."""
        changes = (*(at for at in self._changed.pop(endpoint, ()) if at > now - MEMORY), now)
        if len(changes) >= CHANGES:
            return True
        self._changed[endpoint] = changes
        _bound(self._changed)
        return False


def _bound(endpoints: dict[Endpoint, NodeId] | dict[Endpoint, tuple[float, ...]] | dict[Endpoint, float]) -> None:
    if len(endpoints) > MAX_ENDPOINTS:
        del endpoints[next(iter(endpoints))]
