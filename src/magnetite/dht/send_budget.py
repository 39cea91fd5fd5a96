"""How much we send on our own account: queries/s, and new remote addresses/s. Pure.

The router of a home remembers every remote address we send to, for 30 to 180 seconds, in a table of a few thousand
rows; when that is full, nobody in the house reaches anything new.
"""

from __future__ import annotations

from typing import Final

from magnetite.endpoint import Endpoint
from magnetite.pacer import Pacer

QUERY_RATE: Final = 250.0  # queries/s
QUERY_BURST: Final = 50
ADDRESS_RATE: Final = 100.0  # addresses/s that are new to the router
ADDRESS_BURST: Final = 200  # a whole lookup, that it need not wait
ROUTER_MEMORY: Final = 60.0  # seconds after which an address counts as new again, at the latest
MAX_ADDRESSES: Final = 16_384  # remembered at most


class SendBudget:
    """Turns for queries, as a Pacer gives them, where an address not sent to lately costs a turn of a second pacer.

    Invariant: the addresses of the last 30 seconds are remembered, none longer than ROUTER_MEMORY, and at most
    MAX_ADDRESSES; where there are more, some count as new too early.
    """

    def __init__(
        self,
        query_rate: float = QUERY_RATE,
        address_rate: float = ADDRESS_RATE,
        query_burst: int = QUERY_BURST,
        address_burst: int = ADDRESS_BURST,
    ) -> None:
        self._queries = Pacer(query_rate, query_burst)
        self._addresses = Pacer(address_rate, address_burst)
        self._recent: set[Endpoint] = set()
        self._older: set[Endpoint] = set()
        self._renewed_at = 0.0

    def reserve(self, to: Endpoint, now: float) -> float:
        """The time of the turn, for one query to `to`, that is now the caller's: `now`, or later."""
        turn = self._queries.reserve(now)
        return turn if self._is_known(to, now) else max(turn, self._addresses.reserve(now))

    def take(self, to: Endpoint, now: float) -> bool:
        """Take a turn only if one is free at this moment: who is not worth waiting for delays nobody."""
        if not self._queries.is_free(now) or not (to in self or self._addresses.is_free(now)):
            return False
        return self.reserve(to, now) <= now

    def __contains__(self, address: Endpoint) -> bool:
        """Whether it was sent to lately."""
        return address in self._recent or address in self._older

    def __len__(self) -> int:
        """Addresses remembered, some perhaps twice."""
        return len(self._recent) + len(self._older)

    def _is_known(self, to: Endpoint, now: float) -> bool:
        """Whether `to` was sent to lately; it is from now on."""
        if now >= self._renewed_at + ROUTER_MEMORY / 2 or len(self._recent) >= MAX_ADDRESSES // 2:
            is_stale = now >= self._renewed_at + ROUTER_MEMORY
            self._older, self._recent = set() if is_stale else self._recent, set()
            self._renewed_at = now
        known = to in self
        self._recent.add(to)
        return known
