"""Other answers to the question whom to serve; each is a `make_choker` for `World.client`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from random import Random
from typing import Final, Generic, TypeVar

from magnetite.swarm.choker import Choice, Choker, Standing

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key

RAISE: Final = 1.2  # a price is raised by that where it bought nothing (BitTyrant: delta 0.2),
LOWER: Final = 0.9  # and lowered by that (gamma 0.1) where it has bought something,
SATISFIED: Final = 3  # rounds in a row (r = 3)
FIRST_PRICE: Final = 15_000.0  # bytes/s; what a peer of the time gave for a slot


class FreeRider(Generic[P]):
    """Serves nobody, ever."""

    slots = 0

    def __init__(self, rng: Random) -> None:
        pass

    def choose(self, interested: Sequence[Standing[P]], *, seeding: bool, now: float) -> Choice[P]:
        return Choice(frozenset())


class Tyrant(Generic[P]):
    """Serves those who give most for what they cost, as long as `budget`, in bytes/s, lasts (Piatek et al. 2007).

    The price of a peer is what it seems to want for its slot: what it takes from us when that is known, raised while it
    gives nothing, lowered while it goes on giving. What each really gets is not limited one by one, as in BitTyrant:
    the line's rate is shared by those who are served. A seed has nothing to buy, and serves by chance.
    """

    slots = 0  # nobody gets anything between the rounds

    def __init__(self, rng: Random, budget: float) -> None:
        self._rng = rng
        self._budget = budget
        self._prices: dict[P, float] = {}  # of those interested now
        self._pleased: dict[P, int] = {}  # rounds in a row in which it has given
        self._served: frozenset[P] = frozenset()

    def choose(self, interested: Sequence[Standing[P]], *, seeding: bool, now: float) -> Choice[P]:
        for standing in interested:
            self._learn(standing)
        present = {standing.peer for standing in interested}
        self._prices = {peer: price for peer, price in self._prices.items() if peer in present}
        self._pleased = {peer: rounds for peer, rounds in self._pleased.items() if peer in present}
        ranked = list(interested)
        self._rng.shuffle(ranked)
        if not seeding:
            ranked.sort(key=self._worth, reverse=True)
        self._served = self._affordable(ranked)
        return Choice(self._served)

    def _learn(self, standing: Standing[P]) -> None:
        peer = standing.peer
        price = self._prices.setdefault(peer, FIRST_PRICE)
        if standing.download_rate > 0:
            self._pleased[peer] = self._pleased.get(peer, 0) + 1
            if self._pleased[peer] >= SATISFIED:
                self._prices[peer] = price * LOWER
        else:
            self._pleased[peer] = 0
            if peer in self._served:
                self._prices[peer] = price * RAISE

    def _worth(self, standing: Standing[P]) -> float:
        """What a byte buys; of a stranger what the price would fetch if it were fair."""
        expected = standing.download_rate or (0.0 if standing.is_snubbing else FIRST_PRICE)
        return expected / self._prices[standing.peer]

    def _affordable(self, ranked: Sequence[Standing[P]]) -> frozenset[P]:
        left, served = self._budget, list[P]()
        for standing in ranked:
            left -= self._prices[standing.peer]
            if left < 0 and served:
                break
            served.append(standing.peer)
        return frozenset(served)


def tyrant(budget: float) -> Callable[[Random], Choker[P]]:
    """`make_choker` of one with so many bytes/s to give."""

    def make(rng: Random) -> Choker[P]:
        return Tyrant(rng, budget)

    return make
