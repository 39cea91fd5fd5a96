"""How many nodes the DHT has, told from how near the closest to a random target are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from magnetite.dht.contact import K

LOOKUPS: Final = 64  # the latest that count
ENOUGH: Final = 5  # lookups before the estimate means anything
CROWDED: Final = 3 / 8 * K  # nodes expected where there are K: by chance that happens at one target in 80
WIDENED: Final = 3 * K  # nodes expected where one then looks
SPARSE: Final = 4 * K  # nodes expected where there are no more than K
_SPACE: Final = 1 << 160


class Widening(NamedTuple):
    """When a lookup is not content with the K closest, and how far it then goes; distances."""

    crowded: float
    reach: float
    sparse: float

    def radius(self, distance: int) -> float:
        """How far from the target to go on, if the K-th closest node that answered is `distance` away.

        If all K lie within `crowded`, somebody has probably put them there, to be the closest and to keep the others
        from being found: then whoever stores and whoever searches goes on to all nodes within `reach`, where they
        meet. If they are farther away than `sparse`, there are closer ones that they do not name, for they know none
        or want them not to be found: then others must be asked, wherever they are.
        """
        if distance <= self.crowded:
            return self.reach
        return inf if distance > self.sparse else 0


UNKNOWN: Final = Widening(0, 0, inf)


class NetworkSize:
    """An estimate from the latest lookups: K nodes within the distance d of a target are K / d of the whole id space.

    The median, so that the places which somebody crowds with nodes of his own do not count.
    """

    def __init__(self) -> None:
        self._estimates: list[float] = []  # the latest last

    def add(self, distances: Sequence[int]) -> None:
        """Take in a lookup by the distances of the nodes it found closest to its target, in order."""
        if len(distances) >= K:
            # K - 1, because the K-th lies on the edge: that is the estimate without bias.
            self._estimates.append((K - 1) * _SPACE / max(distances[K - 1], 1))
            del self._estimates[:-LOOKUPS]

    @property
    def nodes(self) -> int:
        """How many nodes there are; 0 if that is not known yet."""
        if len(self._estimates) < ENOUGH:
            return 0
        estimates = sorted(self._estimates)
        middle = len(estimates) // 2
        return round((estimates[middle] + estimates[~middle]) / 2)

    @property
    def widening(self) -> Widening:
        """Nodes are expected in proportion to the distance from any target."""
        nodes = self.nodes
        return Widening(*(_SPACE * each / nodes for each in (CROWDED, WIDENED, SPARSE))) if nodes else UNKNOWN
