"""Endpoints that did not answer lately, so that one query's experience serves all. Pure."""

from __future__ import annotations

from typing import Final

from magnetite.endpoint import Endpoint

MEMORY: Final = 10 * 60.0  # seconds; then it may have come back
SUSPICION: Final = 12.0  # seconds; as long as a query waits for its answer, then it has failed or not
MAX_ENDPOINTS: Final = 4_096  # those that failed first are forgotten; 7 failures a second for ten minutes


class Unreachable:
    """Endpoints by when they failed; the latest are kept.

    mldht's experience: about half of the contacts that others name do not answer. Two hundred lookups at once would
    each find that out for themselves, and a table would ask the dead neighbours anew whenever somebody names them.
    """

    def __init__(self) -> None:
        self._until: dict[Endpoint, float] = {}  # in the order of failing

    def __len__(self) -> int:
        return len(self._until)

    def on_silence(self, endpoint: Endpoint, now: float) -> None:
        """It has not answered for longer than most take: others had better be asked first until that is settled."""
        if endpoint not in self._until:
            self._note(endpoint, now + SUSPICION)

    def on_failure(self, endpoint: Endpoint, now: float) -> None:
        self._until.pop(endpoint, None)
        self._note(endpoint, now + MEMORY)

    def on_answer(self, endpoint: Endpoint) -> None:
        self._until.pop(endpoint, None)

    def holds(self, endpoint: Endpoint, now: float) -> bool:
        """Whether it is likely to be silent."""
        return self._until.get(endpoint, now) > now

    def _note(self, endpoint: Endpoint, until: float) -> None:
        self._until[endpoint] = until
        if len(self._until) > MAX_ENDPOINTS:
            del self._until[next(iter(self._until))]
