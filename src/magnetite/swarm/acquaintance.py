"""Who else is there: what peers tell of others and we tell them (BEP 11), and how they see ourselves. Pure."""

from __future__ import annotations

from collections.abc import Callable

from magnetite.endpoint import Endpoint, is_contactable
from magnetite.errors import Reason
from magnetite.swarm.company import Company, ignore
from magnetite.swarm.gossip import FEW
from magnetite.swarm.own_address import own_addresses
from magnetite.swarm.peer import Peer
from magnetite.swarm.reach import Reach
from magnetite.wire.pex import PexFlag, PexMessage


class Acquaintance:
    """What the peers of one torrent know of each other.

    Invariant: `_parted`, those whom neither side wanted anything of any more, are FEW at most, the latest of them last.
    """

    def __init__(self, company: Company) -> None:
        # Told a contact, the address of who named it, and whether it is said to be a seed.
        self.on_named: Callable[[Endpoint, str, bool], None] = ignore
        self._company = company
        self._parted: dict[Endpoint, PexFlag] = {}

    def on_gossip(self, peer: Peer, message: PexMessage) -> None:
        """The peer names others (BEP 11). Whom it has dropped we may still reach; a dial tells.

        Only hosts in its own reach are believed: a public peer knows nobody in our private network.
        """
        connected = {other.listens_at for other in self._company.peers}
        for contact, flags in message.added.items():
            if contact not in connected and is_contactable(contact, peer.endpoint.scope):
                self.on_named(contact, peer.endpoint.ip, PexFlag.SEED in flags)

    def spread(self, everything: int, now: float) -> None:
        """Tell the peers of each other, in a torrent of the pieces `everything`, known not to be private (BEP 27)."""
        listeners = [peer for peer in self._company.peers if peer.extensions.gossip.is_due(now)]
        if not listeners:
            return
        present = {
            contact: peer.flags(everything)
            for peer in self._company.peers
            if not peer.closing and (contact := peer.listens_at) is not None
        }
        parted = {contact: flags for contact, flags in self._parted.items() if contact not in present}
        for peer in listeners:
            peer.extensions.tell_of(present, parted, peer.listens_at or peer.endpoint, now)

    def on_gone(self, peer: Peer, everything: int) -> None:
        """Seeds part with each other: without this they would have nobody to name (BEP 11, underpopulated lists)."""
        contact = peer.listens_at
        if contact is not None and peer.is_done(everything):
            self._company.candidates.note_seed(contact)
        if peer.closing and peer.closing[0] is Reason.NOTHING_TO_TRADE and contact is not None:
            self._parted.pop(contact, None)
            self._parted[contact] = peer.flags(everything)
            if len(self._parted) > FEW:
                del self._parted[next(iter(self._parted))]

    def learn_own_addresses(self, reach: Reach | None) -> None:
        """Believe what enough of the peers say of where we are."""
        votes = ((peer.endpoint.ip, peer.extensions.sees_us_at) for peer in self._company.peers)
        for ip in own_addresses((voter, seen) for voter, seen in votes if seen is not None):
            port = reach.port(is_ipv6=":" in ip) if reach else None
            self._company.candidates.learn_own(Endpoint(ip, port or 0))
