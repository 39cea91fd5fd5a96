"""How long answers take just now, and hence when a silent node is worth waiting for no longer. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

SAMPLES: Final = 128  # the latest round trips that count
FIRST_STALL: Final = 1.0  # seconds, before anything was measured; libtorrent's fixed value
SHORTEST_STALL: Final = 0.1  # seconds; below, jitter would look like silence
LONGEST_STALL: Final = 2.0
QUANTILE: Final = 0.9  # mldht's, too: one live node in ten costs an extra query, no dead one a long wait
OF_ITS_OWN: Final = 1.5  # times a contact's own round trip; it varies less from time to time than between contacts
_ENOUGH: Final = 8  # samples before the quantile means anything
_RECOMPUTE: Final = 16  # samples between two sorts


class RoundTrips:
    """The latest measured round trips of one node, and the stall time derived from them."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._until_recompute = _ENOUGH
        self._stall = FIRST_STALL

    @property
    def stall(self) -> float:
        """Seconds of silence after which somebody else is asked as well; a late answer is still used."""
        return self._stall

    def stall_of(self, round_trip: float) -> float:
        """The same for a contact that is known to take `round_trip` seconds."""
        return min(max(OF_ITS_OWN * round_trip, SHORTEST_STALL), self.stall)

    def add(self, round_trip: float) -> None:
        self._samples.append(round_trip)
        self._until_recompute -= 1
        if self._until_recompute <= 0:
            self._until_recompute = _RECOMPUTE
            ordered = sorted(self._samples)
            self._stall = min(max(ordered[int(len(ordered) * QUANTILE)], SHORTEST_STALL), LONGEST_STALL)
