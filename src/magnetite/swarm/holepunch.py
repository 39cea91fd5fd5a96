"""Bringing two peers together, and being brought together, through routers that let nobody in (BEP 55). Pure.

Both dial each other by uTP at the same moment, when a third peer that both are connected with says so: each one's
datagrams make its own router let in the other's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from magnetite.endpoint import Endpoint
from magnetite.swarm.company import Company, ignore
from magnetite.wire.holepunch import (
    UT_HOLEPUNCH,
    Connect,
    Failed,
    Holepunch,
    PunchError,
    Rendezvous,
    encode_holepunch,
)
from magnetite.wire.messages import Extended

if TYPE_CHECKING:
    from magnetite.swarm.peer import Peer


class Punching:
    """The meetings of one torrent: as initiator (`ask`), as target and as relay (`on_message`).

    Invariant: each peer makes us act, and is made to, as often as its Turns allow, and nobody is dialled for it who is
    connected, banned or out of our reach.
    """

    def __init__(self, company: Company) -> None:
        self.is_enabled = False  # that we talk uTP
        self.on_meeting: Callable[[Endpoint], None] = ignore  # told whom to dial by uTP, now
        self._company = company

    def ask(self, endpoint: Endpoint, named_by: str, now: float) -> bool:
        """A dial of `endpoint` has failed, whom the peers at the address `named_by` know: ask one. Whether we did."""
        if not self.is_enabled or self._peer_at(endpoint) is not None:
            return False
        relays = (peer for peer in self._company.peers if peer.endpoint.ip == named_by)
        return any(_tell(relay, Rendezvous(endpoint), now) for relay in relays)

    def on_message(self, peer: Peer, message: Holepunch | None, now: float) -> None:
        """A peer that does not say that it supports this is not answered (BEP 55, Implementation notes)."""
        if peer.extensions.said.id_of(UT_HOLEPUNCH) is None:
            return
        match message:
            case Rendezvous(endpoint) if peer.extensions.turns.makes_us.take(now):
                error = self._bring_together(peer, endpoint, now)
                if error is not None:
                    _tell(peer, Failed(endpoint, error), now)
            case Connect(endpoint) if peer.extensions.turns.makes_us.take(now):
                if self._peer_at(endpoint) is None and self._company.candidates.may_dial(endpoint):
                    self.on_meeting(endpoint)

    def _bring_together(self, initiator: Peer, endpoint: Endpoint, now: float) -> PunchError | None:
        """Why not, if so."""
        if self._company.candidates.is_own(endpoint):
            return PunchError.NO_SELF
        target = self._peer_at(endpoint)
        if target is None or target is initiator:
            return PunchError.NOT_CONNECTED
        here, there = _met_at(initiator), _met_at(target)
        if target.extensions.said.id_of(UT_HOLEPUNCH) is None or here is None or there is None:
            return PunchError.NO_SUPPORT
        if _tell(target, Connect(here), now):
            _tell(initiator, Connect(there), now)
        return None

    def _peer_at(self, endpoint: Endpoint) -> Peer | None:
        """Whom we are connected with at an endpoint, as we or as others know it."""
        for peer in self._company.peers:
            if not peer.closing and endpoint in (peer.endpoint, peer.listens_at):
                return peer
        return None


def _met_at(peer: Peer) -> Endpoint | None:
    """Where its datagrams come from, as far as we know: by TCP all we know is where it says that it listens."""
    return peer.endpoint if peer.extensions.by_utp else peer.listens_at


def _tell(peer: Peer, message: Holepunch, now: float) -> bool:
    """Whether it wants to be told such things, and was."""
    number = peer.extensions.said.id_of(UT_HOLEPUNCH)
    if number is None or peer.closing or not peer.extensions.turns.made_to.take(now):
        return False
    peer.outbox.put(Extended(number, encode_holepunch(message)))
    return True
