"""Whom we let download from us: tit-for-tat with optimistic slots (BEP 3, Choking and Optimistic Unchoking). Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

SLOTS: Final = 8  # peers unchoked at once, the optimistic ones among them
CHOKE_INTERVAL: Final = 10.0  # seconds; also what keeps fibrillation away
OPTIMISTIC_INTERVAL: Final = 30.0  # seconds a peer keeps an optimistic slot

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


@dataclass(frozen=True, slots=True)
class Standing(Generic[P]):
    """What the choker knows of one interested peer."""

    peer: P
    download_rate: float  # bytes/s it gives us
    upload_rate: float  # bytes/s it takes from us
    is_snubbing: bool = False  # owes us blocks: what it once gave does not count any more


@dataclass(frozen=True, slots=True)
class Choice(Generic[P]):
    """`optimistic` are those of the unchoked that have not earned it, but had their turn."""

    unchoked: frozenset[P]
    optimistic: frozenset[P] = frozenset()


class Choker(Protocol[P]):
    """The choice among the interested; a study may put its own in TitForTat's place."""

    @property
    def slots(self) -> int:
        """Peers unchoked at once: whoever becomes interested gets a free slot between the rounds."""
        ...

    def choose(self, interested: Sequence[Standing[P]], *, seeding: bool, now: float) -> Choice[P]:
        """The choice for the next CHOKE_INTERVAL. `interested` are the peers that want to download."""
        ...


MakeChoker: TypeAlias = Callable[[Random], Choker[P]]
"""Called with a source of chance, once a torrent."""


class TitForTat(Generic[P]):
    """While downloading the slots are for those that give most; while seeding, for those that take fastest, so that
    copies spread soonest.

    At least one slot is optimistic: it goes round, so that newcomers can prove themselves, better partners are found
    and nobody starves at a seed. Who snubs us earns no other slot (BEP 3, anti-snubbing), and a slot that nobody has
    earned is optimistic too: where all snub us, many are tried at once.

    Invariant: among those that wait nobody has a second optimistic turn before each of them had one.
    """

    def __init__(self, rng: Random, slots: int = SLOTS) -> None:
        self._rng = rng
        self._slots = slots
        self._optimistic: dict[P, float] = {}  # and since when each is
        self._served: set[P] = set()  # had a turn since everybody had one; of the interested, so bounded by them

    @property
    def slots(self) -> int:
        return self._slots

    def choose(self, interested: Sequence[Standing[P]], *, seeding: bool, now: float) -> Choice[P]:
        if len(interested) <= self._slots:
            self._optimistic = {}  # everybody has a slot: nothing to be optimistic about
            self._served.clear()
            return Choice(frozenset(standing.peer for standing in interested))
        ranked = list(interested)
        self._rng.shuffle(ranked)  # ties by chance: a stable order would starve the same peers for ever
        earning = [standing for standing in ranked if seeding or not standing.is_snubbing]
        earning.sort(key=_upload_rate if seeding else _download_rate, reverse=True)
        earned = {standing.peer for standing in earning[: self._slots - 1]}
        waiting = [standing.peer for standing in ranked if standing.peer not in earned]
        self._go_round(waiting, self._slots - len(earned), now)
        return Choice(frozenset([*earned, *self._optimistic]), frozenset(self._optimistic))

    def _go_round(self, waiting: list[P], turns: int, now: float) -> None:
        """Give `turns` optimistic slots to those who wait: as before, until their time is over or they have left."""
        self._served.intersection_update(waiting)
        going_on = [
            (peer, since)
            for peer, since in self._optimistic.items()
            if peer in waiting and now - since < OPTIMISTIC_INTERVAL
        ]
        self._optimistic = dict(going_on[:turns])
        while len(self._optimistic) < turns:
            chosen = self._next_in_turn([peer for peer in waiting if peer not in self._optimistic])
            self._optimistic[chosen] = now
            self._served.add(chosen)

    def _next_in_turn(self, waiting: list[P]) -> P:
        """One that had no turn yet, the first in a list already shuffled; where all had, a new round begins."""
        for peer in waiting:
            if peer not in self._served:
                return peer
        self._served.clear()
        return waiting[0]


def _download_rate(standing: Standing[P]) -> float:
    return standing.download_rate


def _upload_rate(standing: Standing[P]) -> float:
    return standing.upload_rate
