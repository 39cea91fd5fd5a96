"""Lookups by the thousand at once, in NumPy: what `dht.lookup` decides, in a population of millions. Pure.

Each row of the arrays is a lookup with a clock of its own; a step takes every lookup to its next event, which is an
answer or the end of a wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from magnetite.dht.contact import K
from magnetite.dht.lookup import ALPHA, HURRY, LOSSY, MAX_QUERIES, PATIENCE, SLOWNESS, START
from magnetite.dht.round_trips import LONGEST_STALL, OF_ITS_OWN, QUANTILE, SHORTEST_STALL
from magnetite.dht.routing_table import LARGE_BUCKETS
from magnetite.study.population import NOBODY, Floats, Ids, Integers, Population

AT_ONCE: Final = 2_048  # lookups: their arrays fit into the processor's cache
CANDIDATES: Final = 56  # that a lookup remembers; farther ones are never asked
_ENOUGH_TO_JUDGE: Final = 24  # queries, as in dht/lookup.py
_SAMPLE: Final = 4_096  # nodes whose round trips give the stall time

_EMPTY, _NEW, _ASKED, _STALLED, _ANSWERED = range(5)

_Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Search:
    """How a node searches; the values are those of magnetite's own. Times in seconds."""

    hurry: int = HURRY
    alpha: int = ALPHA
    start: int = START
    slowness: float = SLOWNESS
    patience: float = PATIENCE
    stall: float | None = None  # of everybody; None is what a node that has measured round trips takes
    buckets: Sequence[int] = field(default=LARGE_BUCKETS)


PLAIN: Final = Search(hurry=3, alpha=3, start=K, slowness=0.0, patience=1.0, stall=2.0)
"""What most clients do: start with the K closest, ask three at a time, and wait 2 s for anybody."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lookups did, one element of each array for each."""

    first: Floats  # seconds to the first value; inf if there was none
    time: Floats  # seconds to the end
    queries: Integers
    answered: Integers
    hops: Integers
    recall: Floats  # of the K closest nodes that live

    @classmethod
    def joined(cls, parts: Sequence[Found]) -> Found:
        fields = ("first", "time", "queries", "answered", "hops", "recall")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def look_up(
    population: Population, count: int, rng: np.random.Generator, search: Search = Search(), *, loss: float = 0.0
) -> Found:
    """`count` lookups of random targets that the K closest living nodes hold a value for, each by a fresh node.

    `loss` is the fraction of datagrams that are lost.
    """
    sample = population.round_trips(rng.choice(population.ids, _SAMPLE))
    usual = float(np.quantile(sample, QUANTILE).clip(SHORTEST_STALL, LONGEST_STALL))
    parts = []
    for first in range(0, count, AT_ONCE):
        targets, searchers = rng.integers(0, 2**64, (2, min(AT_ONCE, count - first)), dtype=np.uint64)
        order = np.argsort(targets)  # neighbours in memory are asked for one after the other
        parts += list(_Lookups(population, search, usual, loss, targets[order], searchers, rng).run())
    return Found.joined(parts)


class _Lookups:
    """Some lookups under way. A candidate has a place in a row, in no order; a place is given away when it is certain,
    or nearly, that the candidate will not matter. `_wake` is when the wait for a silent one ends: first that for its
    slot, then the rest of the patience; `inf` where nobody waits.
    """

    def __init__(
        self,
        population: Population,
        search: Search,
        usual: float,
        loss: float,
        targets: Ids,
        searchers: Ids,
        rng: np.random.Generator,
    ) -> None:
        rows, shape = len(targets), (len(targets), CANDIDATES)
        self._population = population
        self._search = search
        self._usual = search.stall or usual
        self._loss = 1 - (1 - loss) ** 2
        self._rng = rng
        self._targets = targets
        self._around = population.around(targets)
        alive = np.where(population.is_dead(self._around ^ targets[:, None]), NOBODY, self._around)
        self._holders = np.sort(alive, axis=1)[:, :K]
        self._distance = np.full(shape, NOBODY)
        self._state = np.zeros(shape, dtype=np.int8)
        self._rank = np.zeros(shape, dtype=np.float32)
        self._stall = np.zeros(shape, dtype=np.float32)
        self._wake = np.full(shape, np.inf, dtype=np.float32)
        self._answer = np.full(shape, np.inf, dtype=np.float32)
        self._hops = np.zeros(shape, dtype=np.int64)
        self._now = np.zeros(rows, dtype=np.float32)
        self._first = np.full(rows, np.inf, dtype=np.float32)
        self._asked = np.zeros(rows, dtype=np.int64)
        self._answered = np.zeros(rows, dtype=np.int64)
        everyone = np.arange(rows)
        start = population.start(searchers, targets, search.start, search.buckets)
        self._hear_of(everyone, start, np.zeros(rows, dtype=np.int64), are_known=True)

    def run(self) -> Iterator[Found]:
        """Those that are finished, as they finish."""
        while len(self._targets):
            self._pump()
            finished = self._is_finished()
            if finished.any():
                yield self._found(finished)
                self._keep(~finished)
            if len(self._targets):
                self._take_next_event()

    # -- what happens -------------------------------------------------------------------------------------------------

    def _take_next_event(self) -> None:
        answer, wake = self._answer.min(axis=1), self._wake.min(axis=1)
        self._now = np.minimum(answer, wake)
        due = self._wake <= self._now[:, None]
        stalls = due & (self._state == _ASKED)
        patience = np.float32(self._search.patience - 1)
        self._wake[due] = np.inf
        if patience:
            self._wake[stalls] = self._now.repeat(stalls.sum(axis=1)) + patience * self._stall[stalls]
        self._state[stalls] = _STALLED
        rows = np.flatnonzero(answer <= wake)
        if len(rows):
            self._on_reply(rows, self._answer[rows].argmin(axis=1))

    def _on_reply(self, rows: Integers, places: Integers) -> None:
        targets, distance = self._targets[rows], self._distance[rows, places]
        self._state[rows, places] = _ANSWERED
        self._wake[rows, places] = self._answer[rows, places] = np.inf
        self._answered[rows] += 1
        holds = (distance <= self._holders[rows, -1]) & (self._first[rows] == np.inf)
        self._first[rows[holds]] = self._now[rows[holds]]
        named = self._population.named(distance ^ targets, targets, self._around[rows])
        self._hear_of(rows, named, self._hops[rows, places] + 1, are_known=False)

    def _hear_of(self, rows: Integers, named: Ids, hops: Integers, *, are_known: bool) -> None:
        """Take in contacts, `named` in ascending order, in place of those that matter least."""
        known = self._distance[rows]
        is_new = (named != NOBODY) & ~(named[:, :, None] == known[:, None, :]).any(axis=2)
        is_new[:, 1:] &= named[:, 1:] != named[:, :-1]
        weight = known
        weight[self._answer[rows] < np.inf] = 0  # an answer is on its way
        count = named.shape[1]
        places = weight.argpartition(CANDIDATES - count, axis=1)[:, CANDIDATES - count :]
        row, column = np.nonzero(is_new)
        at = rows[row], places[row, column]
        distance = named[row, column]
        round_trip = self._population.round_trips(distance ^ self._targets[rows[row]])
        own = (OF_ITS_OWN * round_trip).clip(SHORTEST_STALL, self._usual)
        is_usual = not are_known or self._search.stall is not None
        self._distance[at] = distance
        self._state[at] = _NEW
        self._stall[at] = stall = np.full_like(own, self._usual) if is_usual else own
        self._rank[at] = np.log2(np.maximum(distance, 1)) + self._search.slowness * stall
        self._hops[at] = hops[row]
        self._wake[at] = self._answer[at] = np.inf

    # -- whom to ask --------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        search = self._search
        is_lossy = (self._asked >= _ENOUGH_TO_JUDGE) & (self._answered < (1 - LOSSY) * self._asked)
        taken = np.where(is_lossy, (self._wake < np.inf).sum(axis=1), (self._state == _ASKED).sum(axis=1))
        is_in_hurry = (self._first == np.inf) & (self._answered < K)
        free = np.minimum(np.where(is_in_hurry, search.hurry, search.alpha) - taken, MAX_QUERIES - self._asked)
        rows = np.flatnonzero(free > 0)
        while len(rows):
            state, distance = self._state[rows], self._distance[rows]
            is_fit = (state == _NEW) & (distance <= _horizon(state, distance)[:, None])
            rank = np.where(is_fit, self._rank[rows], np.inf)
            places = rank.argmin(axis=1)
            may = rank[np.arange(len(rows)), places] < np.inf
            rows = rows[may]
            self._ask(rows, places[may])
            free[rows] -= 1
            rows = rows[free[rows] > 0]

    def _ask(self, rows: Integers, places: Integers) -> None:
        nodes = self._distance[rows, places] ^ self._targets[rows]
        is_silent = self._population.is_dead(nodes)
        if self._loss:
            is_silent |= self._rng.random(len(rows)) < self._loss
        self._state[rows, places] = _ASKED
        self._asked[rows] += 1
        self._wake[rows, places] = self._now[rows] + self._stall[rows, places]
        answer = self._now[rows] + self._population.round_trips(nodes)
        self._answer[rows, places] = np.where(is_silent, np.inf, answer)

    def _is_finished(self) -> _Bools:
        """Whether the K closest living nodes have answered, or nobody is left to ask."""
        is_relevant = self._distance <= _horizon(self._state, self._distance)[:, None]
        is_awaited = self._wake < np.inf
        is_open = (is_relevant & ((self._state == _NEW) | is_awaited)).any(axis=1)
        is_too_few = (self._answered < K) & (self._state == _ASKED).any(axis=1)
        finished: _Bools = ~is_open & ~is_too_few | ~(is_open | is_awaited.any(axis=1))
        return finished

    # -- what is found ------------------------------------------------------------------------------------------------

    def _found(self, finished: _Bools) -> Found:
        distance = np.where(self._state[finished] == _ANSWERED, self._distance[finished], NOBODY)
        closest = distance.argpartition(K, axis=1)[:, :K]
        distance = np.take_along_axis(distance, closest, axis=1)
        hops = np.where(distance != NOBODY, np.take_along_axis(self._hops[finished], closest, axis=1), 0)
        is_holder = (distance[:, :, None] == self._holders[finished][:, None, :]).any(axis=2) & (distance != NOBODY)
        return Found(
            self._first[finished],
            self._now[finished],
            self._asked[finished],
            self._answered[finished],
            hops.max(axis=1),
            is_holder.mean(axis=1, dtype=np.float32),
        )

    def _keep(self, rows: _Bools) -> None:
        for name, array in vars(self).items():
            if name not in ("_population", "_search", "_usual", "_loss", "_rng"):
                setattr(self, name, array[rows])


def _horizon(state: NDArray[np.int8], distance: Ids) -> Ids:
    """How far the K-th closest of those is that have answered or still may: who is farther need not be asked."""
    counted: Ids = np.where((state == _ASKED) | (state == _ANSWERED), distance, NOBODY)
    counted.partition(K - 1, axis=1)
    return counted[:, K - 1]
