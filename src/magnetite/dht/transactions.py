"""Queries we sent that have not been answered: which answer belongs to which. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from magnetite.dht.messages import ErrorMessage, Response
from magnetite.endpoint import Endpoint, Scope
from magnetite.errors import LocalProtocolError

GIVE_UP: Final = 12.0  # seconds; long after a lookup has asked others, a late answer is still of use
MAX_PENDING: Final = 1 << 16  # what 5,000 queries/s leave behind in that time
_TRANSACTION_BITS: Final = 32

Outcome: TypeAlias = Response | ErrorMessage | None  # None: no answer in time
OnOutcome: TypeAlias = Callable[[Outcome, float], None]  # and the time


@dataclass(slots=True)
class Pending:
    """A query that waits for its answer."""

    endpoint: Endpoint
    sent: float
    on_outcome: OnOutcome
    may_join: bool  # whether the answerer is a contact for the routing table


def _stands_for_another(endpoint: Endpoint) -> bool:
    """Whether it is nobody's address, but stands for a name that a proxy looks up: the answer comes from elsewhere."""
    return endpoint.scope is Scope.NOWHERE


class Transactions:
    """Pending queries by transaction id: random ones, so that a stranger cannot answer what he did not see.

    All wait equally long, so the dictionary's order of insertion is the order of expiry.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._pending: dict[bytes, Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, transaction: bytes) -> bool:
        return transaction in self._pending

    def open(self, pending: Pending) -> bytes:
        """The transaction id, 4 bytes, to send the query with. Raises LocalProtocolError if too many are pending."""
        if len(self._pending) >= MAX_PENDING:
            raise LocalProtocolError(f"{MAX_PENDING} queries wait for answers")
        transaction = self._draw()
        while transaction in self._pending:
            transaction = self._draw()
        self._pending[transaction] = pending
        return transaction

    def close(self, transaction: bytes, source: Endpoint) -> Pending | None:
        """The query that an answer from `source` belongs to; None if we asked `source` no such thing."""
        pending = self._pending.get(transaction)
        if pending is None or (pending.endpoint != source and not _stands_for_another(pending.endpoint)):
            return None
        del self._pending[transaction]
        return pending

    def expire(self, now: float) -> Iterator[Pending]:
        """Take out the queries that have waited GIVE_UP seconds."""
        while self._pending:
            transaction, pending = next(iter(self._pending.items()))
            if now < pending.sent + GIVE_UP:
                return
            del self._pending[transaction]
            yield pending

    def drain(self) -> list[Pending]:
        """Take out all."""
        drained = list(self._pending.values())
        self._pending.clear()
        return drained

    def _draw(self) -> bytes:
        return self._rng.getrandbits(_TRANSACTION_BITS).to_bytes(_TRANSACTION_BITS // 8, "big")
