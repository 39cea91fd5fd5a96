"""What we know of a contact from our own dealings with it. Pure."""

from __future__ import annotations

from math import inf
from typing import Final

from magnetite.dht.contact import Contact
from magnetite.dht.security import is_valid_id
from magnetite.dht.subnets import subnet_of

QUESTIONABLE_AFTER: Final = 15 * 60.0  # seconds without a sign of life (BEP 5, Routing Table), of a new contact
LONGEST_TRUST: Final = 90 * 60.0  # seconds, of one known for long
TRUST: Final = 1 / 3  # of the time it has been known: who has stayed long will stay long, see `trusted_for`
NEVER: Final = -inf  # one object for all: written out it would be made anew for each entry, four times
BAD_AFTER: Final = 2  # failures in a row, where somebody else could take the place: "try once more" (BEP 5)


class RoutingEntry:
    """A contact's record. It is verified once it has answered us: before, its address is only hearsay."""

    __slots__ = (
        "_has_valid_id",
        "compact",
        "contact",
        "failures",
        "first_response",
        "is_verified",
        "last_asked",
        "last_query",
        "last_response",
        "part",
        "round_trip",
        "subnet",
    )

    def __init__(self, contact: Contact) -> None:
        self.contact = contact
        self.compact = b""  # compact node info, once it is verified: nobody is told of it before
        self.part = 0  # of its bucket's range; the bucket's note
        self.subnet = subnet_of(contact.endpoint.ip)
        self._has_valid_id: bool | None = None
        self.is_verified = False  # kept, not derived: upkeep asks it of every contact in every round
        self.first_response = NEVER
        self.last_response = NEVER
        self.last_query = NEVER  # from it to us
        self.last_asked = NEVER  # by us; answered or not
        self.round_trip = inf  # seconds, smoothed
        self.failures = 0  # in a row

    @property
    def is_bad(self) -> bool:
        """It "failed to respond to multiple queries in a row", or to the only one ever."""
        return self.failures > 0 and self.failures >= (BAD_AFTER if self.is_verified else 1)

    @property
    def has_valid_id(self) -> bool:
        """Whether its id belongs to its address (BEP 42), so that it could not choose its place at will."""
        if self._has_valid_id is None:  # seldom needed, and microseconds each
            self._has_valid_id = is_valid_id(self.contact.node_id, self.contact.endpoint.ip)
        return self._has_valid_id

    @property
    def last_heard(self) -> float:
        """When it last gave a sign of life."""
        return max(self.last_response, self.last_query)

    @property
    def trusted_for(self) -> float:
        """Seconds without a sign of life for which it is good, though it may have left.

        Sessions are Weibull with a shape of 0.43: of the contacts known for a time t, 4 % leave within t / 5, whatever
        t is. To ask all of them within 15 minutes would be thrice the traffic, for old ones that hardly ever leave.
        """
        return min(max(TRUST * (self.last_response - self.first_response), QUESTIONABLE_AFTER), LONGEST_TRUST)

    def is_good(self, now: float) -> bool:
        """It has answered us, and lately answered or asked (BEP 5, Routing Table); and our last question, too."""
        if self.failures:
            return False
        if now - self.last_response <= QUESTIONABLE_AFTER:
            return True  # nearly all; a busy node asks this for every datagram
        return self.is_verified and now - self.last_heard <= self.trusted_for

    def responded(self, now: float, round_trip: float) -> None:
        if self.is_verified:
            self.round_trip = 0.75 * self.round_trip + 0.25 * round_trip
        else:
            self.is_verified, self.first_response, self.round_trip = True, now, round_trip
            self.compact = self.contact.compact()
        self.last_response = now
        self.failures = 0
