"""Which callers that were turned away are told of: a crowd of them must not fill the log and the event stream. Pure."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import Final

from magnetite.errors import Reason

TELL_EVERY: Final = 60.0  # seconds; for one reason


class Refusals:
    """Counts by reason the callers that nobody was told of yet. Bounded by how many reasons there are."""

    def __init__(self) -> None:
        self._untold: Counter[Reason] = Counter()
        self._told_at: dict[Reason, float] = {}

    def note(self, reason: Reason, now: float) -> int:
        """How many callers are to be told of: this one and those before it, for the same reason. 0: not yet."""
        self._untold[reason] += 1
        if now < self._told_at.get(reason, -inf) + TELL_EVERY:
            return 0
        self._told_at[reason] = now
        return self._untold.pop(reason)
