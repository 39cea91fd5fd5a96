"""What answers and silence taught a node, besides the places in its routing table, for all lookups to share. Pure."""

from __future__ import annotations

from magnetite.dht.contact import Contact
from magnetite.dht.identities import Identities
from magnetite.dht.lookup_cache import LookupCache
from magnetite.dht.network_size import NetworkSize
from magnetite.dht.unreachable import Unreachable
from magnetite.endpoint import Endpoint


class Experience:
    """Who answered lately and who did not, who cannot be believed, and how large the network is; of one family."""

    def __init__(self) -> None:
        self.cache = LookupCache()
        self.unreachable = Unreachable()
        self.identities = Identities()
        self.network_size = NetworkSize()

    def on_answer(self, contact: Contact, round_trip: float, now: float) -> bool:
        """`contact` answered; False if it is not to be believed."""
        self.identities.on_answer(contact.endpoint, contact.node_id, now)
        self.unreachable.on_answer(contact.endpoint)
        if self.identities.is_banned(contact.endpoint, now):
            return False
        self.cache.on_answer(contact, round_trip, now)
        return True

    def on_failure(self, endpoint: Endpoint, now: float) -> None:
        """Nobody answered from there, though the network works."""
        self.unreachable.on_failure(endpoint, now)

    def is_dubious(self, endpoint: Endpoint, now: float) -> bool:
        """Whether the word of others is not enough to ask there."""
        return self.unreachable.holds(endpoint, now) or self.identities.is_banned(endpoint, now)
