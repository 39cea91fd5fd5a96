"""Whether others can reach us, or whether we should ask not to be remembered (BEP 43). Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from magnetite.endpoint import Endpoint, Scope

PROOF_LIFETIME: Final = 3600.0  # seconds; a reachable node is asked by strangers far more often
PINHOLE: Final = 300.0  # seconds a router may let in answers from whom we sent something; such a query proves nothing
MAX_PINHOLES: Final = 4096
TRIAL_AFTER: Final = 600.0  # seconds without proof; then a time as an ordinary node, since strangers ask no others
TRIAL: Final = 1200.0  # seconds
CYCLE: Final = 3600.0  # seconds from one trial to the next


class Reachability:
    """Proof that a datagram nobody invited comes through to our socket.

    A socket bound to one address is believed to be reachable there until others see us at another one: a router stands
    between. Otherwise a query of somebody we never wrote to is the proof, or our own ping to the address others see.
    Without proof we are read-only, but for a trial each hour: nobody has a reason to ask a read-only node.
    """

    def __init__(self, local: Endpoint, now: float, forced: bool | None = None) -> None:
        self._forced = forced  # read-only or not, as the user wants it
        self._is_bound = local.scope is not Scope.NOWHERE
        self._local_ip = local.ip
        self._since = now
        self._proven_at: float | None = now if self._is_bound else None
        self._invited: OrderedDict[Endpoint, float] = OrderedDict()  # whom we wrote to, and when last

    def is_read_only(self, now: float) -> bool:
        if self._forced is not None:
            return self._forced
        if self._is_bound or (self._proven_at is not None and now - self._proven_at < PROOF_LIFETIME):
            return False
        return not TRIAL_AFTER <= (now - self._since) % CYCLE < TRIAL_AFTER + TRIAL

    def on_sent(self, to: Endpoint, now: float) -> None:
        """We sent something to `to`, and have opened a way back for it."""
        if self._is_bound:
            return
        self._invited.pop(to, None)
        self._invited[to] = now
        if len(self._invited) > MAX_PINHOLES:
            self._invited.popitem(last=False)

    def on_query(self, source: Endpoint, now: float) -> None:
        """`source` asked us something."""
        if not self._is_bound and now - self._invited.get(source, now - PINHOLE) >= PINHOLE:
            self._proven_at = now

    def on_own_ping(self, now: float) -> None:
        """Our ping to our external address came in at our own socket."""
        self._proven_at = now

    def on_external(self, external: Endpoint) -> None:
        """Others agree on where they see us."""
        if self._is_bound and external.ip != self._local_ip:
            self._is_bound = False
            self._proven_at = None
