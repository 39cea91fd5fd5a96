"""Whom we let download from us: tit-for-tat with an optimistic slot (BEP 3). Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

SLOTS = 8  # peers unchoked at once, the optimistic one among them
CHOKE_INTERVAL = 10.0  # seconds; also what keeps fibrillation away
OPTIMISTIC_INTERVAL = 30.0  # seconds a peer keeps the optimistic slot

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


@dataclass(frozen=True, slots=True)
class Standing(Generic[P]):
    """What the choker knows of one interested peer."""

    peer: P
    download_rate: float  # bytes/s it gives us
    upload_rate: float  # bytes/s it takes from us
    is_snubbing: bool = False  # owes us blocks: what it once gave does not count any more

    def download_merit(self) -> float:
        return -1.0 if self.is_snubbing else self.download_rate

    def upload_merit(self) -> float:
        return self.upload_rate


@dataclass(frozen=True, slots=True)
class Choice(Generic[P]):
    unchoked: frozenset[P]
    optimistic: P | None


class Choker(Generic[P]):
    """Picks the unchoked among the interested.

    While downloading, those that give most; while seeding, those that take fastest, so that copies spread soonest. One
    slot goes round by chance, so that newcomers can prove themselves and better partners are found.
    """

    def __init__(self, rng: Random, slots: int = SLOTS) -> None:
        self._rng = rng
        self._slots = slots
        self._optimistic: P | None = None
        self._rotated_at: float | None = None

    def choose(self, interested: Sequence[Standing[P]], *, seeding: bool, now: float) -> Choice[P]:
        """The choice for the next CHOKE_INTERVAL. `interested` are the peers that want to download."""
        if len(interested) <= self._slots:
            self._optimistic = None  # everybody has a slot: nothing to be optimistic about
            self._rotated_at = None
            return Choice(frozenset(s.peer for s in interested), None)
        ranked = list(interested)
        self._rng.shuffle(ranked)  # ties by chance: a stable order would starve the same peers for ever
        ranked.sort(key=Standing.upload_merit if seeding else Standing.download_merit, reverse=True)
        regular = [s.peer for s in ranked[: self._slots - 1]]
        rest = [s.peer for s in ranked[self._slots - 1 :]]
        if self._optimistic not in rest or self._is_rotation_due(now):
            self._optimistic = self._rng.choice(rest)
            self._rotated_at = now
        return Choice(frozenset([*regular, self._optimistic]), self._optimistic)

    def _is_rotation_due(self, now: float) -> bool:
        return self._rotated_at is None or now - self._rotated_at >= OPTIMISTIC_INTERVAL
