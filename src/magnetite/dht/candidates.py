"""The contacts a lookup has heard of, and which of them matter. Pure."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from enum import Enum, auto
from math import inf
from typing import Final

from magnetite.dht.contact import Contact, K
from magnetite.dht.network_size import Widening
from magnetite.dht.subnets import PER_SUBNET, Subnet, subnet_of
from magnetite.ids import NodeId

MAX_CANDIDATES: Final = 256
WIDEST: Final = 6 * K  # nodes a lookup listens to where the K closest cannot be there by chance
DISTRUST: Final = 3  # contacts of one source that failed, and none that answered
_TRIED_WEIGHT: Final = 1
_COUNTED_WEIGHT: Final = 2
_SUBNET_WEIGHT: Final = PER_SUBNET * _COUNTED_WEIGHT


class State(Enum):
    NEW = auto()
    ASKED = auto()
    STALLED = auto()  # silent so long that its slot was given away
    ANSWERED = auto()
    FAILED = auto()


NEW, ASKED, STALLED, ANSWERED, FAILED = State  # Python 3.11 looks up a name of its own eight times as fast


class Candidate:
    """A contact, who named it, and what came of asking it."""

    __slots__ = (
        "answered_children",
        "asked_at",
        "attempts",
        "contact",
        "distance",
        "failed_children",
        "hops",
        "is_probed",
        "is_suspect",
        "rank",
        "sources",
        "stall",
        "state",
        "subnet",
        "token",
    )

    def __init__(self, contact: Contact, distance: int, hops: int, stall: float, rank: float, is_suspect: bool) -> None:
        self.contact = contact
        self.distance = distance
        self.hops = hops
        self.stall = stall  # seconds
        self.rank = rank  # the lowest is asked first
        self.is_suspect = is_suspect  # it did not answer somebody else of us lately
        self.subnet = subnet_of(contact.endpoint.ip)
        self.sources: list[Candidate] = []  # who named it; empty for those the lookup began with
        self.state = NEW
        self.is_probed = False  # for its own neighbours
        self.attempts = 0
        self.asked_at = inf
        self.token = b""
        self.answered_children = 0
        self.failed_children = 0

    def __lt__(self, other: Candidate) -> bool:
        return self.distance < other.distance

    @property
    def is_unsettled(self) -> bool:
        """Whether it may still do those who named it credit."""
        return self.state is not ANSWERED and self.state is not FAILED

    def add_source(self, source: Candidate) -> None:
        """`source` has answered, and named it; once or several times in a row.

        Nobody who has answered gets sources any more, so that no two name each other: what a lookup held is gone with
        it, and needs no search for cycles.
        """
        if not self.sources or self.sources[-1] is not source:
            self.sources.append(source)

    @property
    def is_distrusted(self) -> bool:
        """Whether those it named were silent. Half of what honest nodes name is dead, but not all of it."""
        return self.failed_children >= DISTRUST and self.answered_children == 0

    @property
    def is_doubtful(self) -> bool:
        """Whether there are better ones to ask first, be they farther."""
        return self.is_suspect or (bool(self.sources) and all(source.is_distrusted for source in self.sources))


class Candidates:
    """Sorted by distance, the closest first; bounded by MAX_CANDIDATES and those that were asked."""

    def __init__(self, widening: Widening) -> None:
        self._widening = widening
        self._sorted: list[Candidate] = []
        self._known: dict[NodeId, Candidate] = {}

    def __len__(self) -> int:
        return len(self._sorted)

    def __getitem__(self, node_id: NodeId) -> Candidate:
        return self._known[node_id]

    def get(self, node_id: NodeId) -> Candidate | None:
        return self._known.get(node_id)

    def add(self, candidate: Candidate) -> None:
        self._known[candidate.contact.node_id] = candidate
        insort(self._sorted, candidate)

    def drop_farthest(self) -> Iterator[Contact]:
        """Forget the farthest that nobody has asked yet, and say which."""
        if len(self._sorted) <= MAX_CANDIDATES:
            return
        beyond = self._sorted[MAX_CANDIDATES:]
        del self._sorted[MAX_CANDIDATES:]
        for candidate in beyond:
            if candidate.state is NEW:
                del self._known[candidate.contact.node_id]
                yield candidate.contact
            else:
                self._sorted.append(candidate)

    def relevant(self) -> list[Candidate]:
        """From the closest on, up to where enough of them have answered or may be about to."""
        return self._nearest((ANSWERED, ASKED), all_states=True)

    def answered(self) -> list[Candidate]:
        """The closest that have answered: K, or more where it cannot be chance."""
        return self._nearest((ANSWERED,), all_states=False)

    def _nearest(self, counted: tuple[State, ...], *, all_states: bool) -> list[Candidate]:
        """K of the `counted` states, or up to WIDEST where K are too close or too far to be so by chance; if wanted,
        with those in other states that are as close.

        Of one subnet two count, and four are tried: somebody who has a /24 must not be all of the K closest.
        """
        nearest, count, weights = [], 0, dict[Subnet, int]()
        answered, radius = 0, 0.0
        for candidate in self._sorted:
            if count >= K and (count >= WIDEST or candidate.distance > radius):
                break
            state, subnet = candidate.state, candidate.subnet
            counts = state in counted
            if subnet is not None and (counts or candidate.attempts or subnet in weights):
                weight = weights.get(subnet, 0)
                if weight >= _SUBNET_WEIGHT:
                    continue
                weights[subnet] = weight + (_COUNTED_WEIGHT if counts else _TRIED_WEIGHT if candidate.attempts else 0)
            if counts or all_states:
                nearest.append(candidate)
            count += counts
            if state is ANSWERED:
                answered += 1
                if answered == K:
                    radius = self._widening.radius(candidate.distance)
        return nearest
