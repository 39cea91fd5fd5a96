"""What we know of a contact from our own dealings with it. Pure."""

from __future__ import annotations

from math import inf
from typing import Final

from magnetite.dht.contact import Contact

QUESTIONABLE_AFTER: Final = 15 * 60.0  # seconds without a sign of life (BEP 5, Routing Table)
BAD_AFTER: Final = 2  # failures in a row, where somebody else could take the place: "try once more" (BEP 5)


class RoutingEntry:
    """A contact's record. It is verified once it has answered us: before, its address is only hearsay."""

    __slots__ = ("compact", "contact", "failures", "last_asked", "last_query", "last_response", "round_trip")

    def __init__(self, contact: Contact) -> None:
        self.contact = contact
        self.compact = contact.compact()
        self.last_response = -inf
        self.last_query = -inf  # from it to us
        self.last_asked = -inf  # by us; answered or not
        self.round_trip = inf  # seconds, smoothed
        self.failures = 0  # in a row

    @property
    def is_verified(self) -> bool:
        return self.last_response > -inf

    @property
    def is_bad(self) -> bool:
        """It "failed to respond to multiple queries in a row", or to the only one ever."""
        return self.failures >= (BAD_AFTER if self.is_verified else 1)

    def is_good(self, now: float) -> bool:
        """It has answered us, and in the last 15 minutes answered or asked (BEP 5, Routing Table)."""
        heard = max(self.last_response, self.last_query)
        return self.is_verified and not self.is_bad and now - heard <= QUESTIONABLE_AFTER

    def responded(self, now: float, round_trip: float) -> None:
        self.round_trip = round_trip if not self.is_verified else 0.75 * self.round_trip + 0.25 * round_trip
        self.last_response = now
        self.failures = 0
