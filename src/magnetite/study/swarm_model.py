"""A coarse swarm in NumPy: thousands of peers in rounds of a fraction of a second. Pure.

What it keeps of a swarm: who knows whom, who has which pieces, slots by tit-for-tat, the choice of pieces, and lines
that are shared evenly among the slots in use. What it leaves out: messages, latency, requests, and every limit but the
lines; pieces come from one peer each, or from several only where nothing else is left to begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from magnetite.swarm.choker import CHOKE_INTERVAL, OPTIMISTIC_INTERVAL, SLOTS
from magnetite.swarm.picker import RANDOM_FIRST

NEIGHBOURS: Final = 40  # connections of a peer
ROUNDS_A_PIECE: Final = 8  # as fine as time is divided: of the time a full slot of the median line takes for a piece
NOTHING: Final = -1

_Floats: TypeAlias = NDArray[np.float64]
_Integers: TypeAlias = NDArray[np.int64]
_Bools: TypeAlias = NDArray[np.bool_]


class Picking(Enum):
    RAREST_FIRST = "rarest first"
    RANDOM = "random"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who takes part: rates in bytes/s, one for each peer; the first `seeds` have everything from the start."""

    up: _Floats
    down: _Floats
    pieces: int
    piece_length: int  # bytes
    seeds: int = 1
    neighbours: int = NEIGHBOURS
    ahead: int = 4  # pieces that are asked of a peer together: as many as a pipeline's share of 64 blocks holds
    fast: int = 0  # pieces that a first seed gives to each of its neighbours, choked or not, as many clients do (BEP 6)
    suggests: bool = True  # whether the first seeds suggest each piece to one neighbour; see swarm/suggestions.py


@dataclass(frozen=True, slots=True)
class Spread:
    """How it went. `round_length` in seconds; what has a row for each round was taken at its end."""

    done: _Floats  # seconds until each leecher had everything; inf for one that never had
    round_length: float
    copies: _Floats  # rounds x 3: of the rarest piece, the average one, and the commonest; seeds not counted
    interest: _Floats  # of all pairs of neighbours of whom one leeches: in what part it wants something of the other


def spread(
    crowd: Crowd, rng: np.random.Generator, picking: Picking = Picking.RAREST_FIRST, *, limit: float = 86_400.0
) -> Spread:
    """Everybody begins at once; who is done goes on to upload. Ends when all are done, or after `limit` seconds."""
    swarm = _Swarm(crowd, picking, rng)
    while not swarm.is_over and swarm.now < limit:
        swarm.take_round()
    return Spread(
        swarm.done[crowd.seeds :], swarm.round_length, np.array(swarm.copies, dtype=np.int64), np.array(swarm.interest)
    )


class _Swarm:
    """Peer i uploads to peer `_others[i, j]` by its j-th connection; most arrays have a place for each of these.

    Invariant: `_pieces` are those asked for by that connection, what comes first; of a piece the other has `_progress`
    bytes from everybody.
    """

    def __init__(self, crowd: Crowd, picking: Picking, rng: np.random.Generator) -> None:
        peers = len(crowd.up)
        self._crowd = crowd
        self._picking = picking
        self._rng = rng
        self._others = acquaintances(peers, min(crowd.neighbours, peers - 1), rng)
        self._exists: _Bools = self._others != NOTHING
        self._have = np.zeros((peers, crowd.pieces), dtype=bool)
        self._have[: crowd.seeds] = True
        self._progress = np.zeros((peers, crowd.pieces))
        self._surplus = np.zeros(peers)  # bytes that came after the end of a piece: they are of the next
        self._is_fast = np.zeros(self._have.shape, dtype=bool)
        for peer in range(peers):
            self._is_fast[peer, rng.permutation(crowd.pieces)[: crowd.fast]] = True
        self._is_suggested = np.zeros(self._have.shape, dtype=bool)
        self._is_left = np.full(crowd.pieces, crowd.suggests and crowd.seeds > 0)  # to be suggested to anybody
        shape = self._others.shape
        self._is_unchoked: _Bools = np.zeros(shape, dtype=bool)
        self._is_optimistic: _Bools = np.zeros(shape, dtype=bool)
        self._pieces = np.full((*shape, crowd.ahead), NOTHING)
        self._given = np.zeros(shape)  # bytes, since the last choice of slots
        self._reverse = reverse_of(self._others)
        typical = float(np.median(crowd.up[crowd.up > 0])) / SLOTS
        self.round_length = min(crowd.piece_length / typical / ROUNDS_A_PIECE, CHOKE_INTERVAL)
        self.now = 0.0
        self._choose_at = 0.0
        self._renew_at = 0.0
        self.done = np.where(self._have.all(axis=1), 0.0, np.inf)
        self.copies: list[tuple[float, float, float]] = []
        self.interest: list[float] = []

    @property
    def is_over(self) -> bool:
        return bool(np.isfinite(self.done).all())

    def take_round(self) -> None:
        wants = self._wants()
        if self.now >= self._choose_at:
            self._choose_at += CHOKE_INTERVAL
            self._choose(wants)
        self._fill_free_slots(wants)
        is_active = self._is_unchoked & wants
        is_active[: self._crowd.seeds] |= self._lacks_fast()
        self._pieces[~is_active] = NOTHING
        self._suggest(is_active)
        self._ask(is_active)
        self._transfer(is_active & (self._pieces[:, :, 0] != NOTHING))
        self.now += self.round_length
        self._complete()
        self._note(wants)

    # -- interest and slots -------------------------------------------------------------------------------------------

    def _wants(self) -> _Bools:
        """Of each connection: whether the other end lacks a piece that this one has."""
        packed = np.packbits(self._have, axis=1)
        wants = np.zeros(self._others.shape, dtype=bool)
        for place in range(self._others.shape[1]):
            other = self._others[:, place]
            wants[:, place] = (packed & ~packed[other]).any(axis=1)
        return wants & self._exists & (self._crowd.up > 0)[:, None]

    def _lacks_fast(self) -> _Bools:
        """Of the connections of those who were there first: whether the other end has use for its grant."""
        lacks = _any(self._is_fast & ~self._have)
        return self._exists[: self._crowd.seeds] & lacks[self._others[: self._crowd.seeds]]

    def _choose(self, wants: _Bools) -> None:
        """Tit-for-tat: all slots but one for those who gave most, at a seed for those who took most."""
        received = np.where(self._exists, self._given[self._others, self._reverse], 0.0)
        earned = np.where(_all(self._have)[:, None], self._given, received) + self._chance(1e-3)
        earning = _highest(np.where(wants, earned, -np.inf), SLOTS - 1)
        if self.now >= self._renew_at:
            self._renew_at += OPTIMISTIC_INTERVAL
            self._is_optimistic[:] = False
        self._is_optimistic &= wants & ~earning
        lacks = ~_any(self._is_optimistic)[:, None]
        lots = np.where(wants & ~earning & lacks, self._chance(), -np.inf)
        self._is_optimistic |= _highest(lots, 1)
        self._is_unchoked = earning | self._is_optimistic
        self._given[:] = 0

    def _fill_free_slots(self, wants: _Bools) -> None:
        free = SLOTS - (self._is_unchoked & wants).sum(axis=1)
        waiting = np.where(wants & ~self._is_unchoked, self._chance(), -np.inf)
        waiting[free <= 0] = -np.inf
        order = waiting.argsort(axis=1)[:, ::-1].argsort(axis=1)
        self._is_unchoked |= (order < free[:, None]) & (waiting > -np.inf)

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _suggest(self, is_active: _Bools) -> None:
        """Whom a first seed serves it suggests as much as is asked for together, of what it has suggested to nobody."""
        for seed, place in np.argwhere(is_active[: self._crowd.seeds]):
            other = self._others[seed, place]
            asked = self._pieces[seed, place]
            ahead = self._is_suggested[other] & ~self._have[other]
            ahead[asked[asked != NOTHING]] = False
            left = np.flatnonzero(self._is_left & ~self._have[other])
            lacks = max(0, self._crowd.ahead - int(ahead.sum()))
            dealt = self._rng.permutation(left)[:lacks]
            self._is_left[dealt] = False
            self._is_suggested[other, dealt] = True

    def _ask(self, is_active: _Bools) -> None:
        """Connections with too little to do get a piece: one leecher's after the other, for it asks for none twice."""
        lacks = is_active & (self._pieces[:, :, -1] == NOTHING)
        givers, places = np.nonzero(lacks)
        takers = self._others[givers, places]
        order = self._rng.permutation(len(takers))
        order = order[takers[order].argsort(kind="stable")]
        givers, places, takers = givers[order], places[order], takers[order]
        turn = np.arange(len(takers)) - np.searchsorted(takers, takers)
        is_asked = self._asked()
        for each in range(int(turn.max(initial=-1)) + 1):
            now = turn == each
            self._ask_for(givers[now], places[now], takers[now], is_asked)

    def _asked(self) -> _Bools:
        """Which pieces each leecher has asked somebody for."""
        is_asked = np.zeros(self._have.shape, dtype=bool)
        givers, places, places_ahead = np.nonzero(self._pieces != NOTHING)
        is_asked[self._others[givers, places], self._pieces[givers, places, places_ahead]] = True
        return is_asked

    def _ask_for(self, givers: _Integers, places: _Integers, takers: _Integers, is_asked: _Bools) -> None:
        """What was begun and given up, or a new piece; where all are asked for already, one that others owe, too."""
        offered = self._have[givers] & ~self._have[takers]
        offered &= self._is_unchoked[givers, places][:, None] | self._is_fast[takers]
        idle = offered & ~is_asked[takers]
        has_idle = _any(idle)
        begun = idle & (self._progress[takers] > 0)
        fit = np.where(has_idle[:, None], np.where(_any(begun)[:, None], begun, idle), offered)
        is_free = np.asarray(self._pieces[givers, places, 0] == NOTHING)
        is_endgame = _all(self._have[takers] | is_asked[takers])
        may = _any(fit) & (has_idle | (is_free & is_endgame))
        chosen = np.asarray(np.where(fit, self._cost(givers, takers), np.inf).argmin(axis=1))[may]
        givers, places, takers = givers[may], places[may], takers[may]
        is_first = ~is_asked[takers, chosen]
        is_asked[takers, chosen] = True
        self._progress[takers[is_first], chosen[is_first]] += self._surplus[takers[is_first]]
        self._surplus[takers[is_first]] = 0
        ahead = (self._pieces[givers, places] != NOTHING).sum(axis=1)
        self._pieces[givers, places, ahead] = chosen

    def _cost(self, givers: _Integers, takers: _Integers) -> _Floats:
        """What is least is begun first; of equals what the giver suggested."""
        shape = (len(takers), self._crowd.pieces)
        if self._picking is Picking.SEQUENTIAL:
            return np.broadcast_to(np.arange(self._crowd.pieces, dtype=np.float64), shape)
        lots: _Floats = self._rng.random(shape)
        lots[self._is_suggested[takers] & (givers < self._crowd.seeds)[:, None]] -= 1
        if self._picking is Picking.RAREST_FIRST:
            is_new = self._have[takers].sum(axis=1) < RANDOM_FIRST
            lots += np.where(is_new[:, None], 0, 2 * self._have.sum(axis=0))
        return lots

    def _transfer(self, is_used: _Bools) -> None:
        """Each line up is shared by the connections in use, and what is too much for a line down is not sent."""
        crowd = self._crowd
        share = crowd.up / np.maximum(is_used.sum(axis=1), 1)
        rate = np.where(is_used, share[:, None], 0.0)
        coming = np.bincount(self._others[is_used], weights=rate[is_used], minlength=len(crowd.up))
        fits = np.minimum(1.0, crowd.down / np.maximum(coming, 1e-9))
        sent = rate[is_used] * fits[self._others[is_used]] * self.round_length
        self._given[is_used] += sent
        np.add.at(self._progress, (self._others[is_used], self._pieces[is_used, 0]), sent)

    def _complete(self) -> None:
        peers, pieces = np.nonzero((self._progress >= self._crowd.piece_length) & ~self._have)
        np.add.at(self._surplus, peers, self._progress[peers, pieces] - self._crowd.piece_length)
        self._have[peers, pieces] = True
        self._forget_complete()
        self.done[np.isinf(self.done) & self._have.all(axis=1)] = self.now

    def _forget_complete(self) -> None:
        """Nobody need send what is there; what was asked for after it moves up."""
        givers, places, ahead = np.nonzero(self._pieces != NOTHING)
        is_there = self._have[self._others[givers, places], self._pieces[givers, places, ahead]]
        self._pieces[givers[is_there], places[is_there], ahead[is_there]] = NOTHING
        order = (self._pieces == NOTHING).argsort(axis=2, kind="stable")
        self._pieces = np.take_along_axis(self._pieces, order, axis=2)

    def _note(self, wants: _Bools) -> None:
        copies = self._have[self._crowd.seeds :].sum(axis=0)
        self.copies.append((copies.min(), copies.mean(), copies.max()))
        leeches = ~_all(self._have)
        pairs = self._exists & leeches[:, None] & leeches[self._others]
        self.interest.append(float(wants[pairs].mean()) if pairs.any() else np.nan)

    def _chance(self, scale: float = 1.0) -> _Floats:
        return scale * self._rng.random(self._others.shape)


def acquaintances(peers: int, each: int, rng: np.random.Generator) -> _Integers:
    """Who is connected to whom, by chance, both ways: peers x (most of any), NOTHING where one has fewer.

    Every peer calls half of `each` others; those who are called by many have more, as in a real swarm.
    """
    calls = max(each // 2, 1)
    caller = np.arange(peers).repeat(calls)
    called = (caller + rng.integers(1, peers, peers * calls)) % peers
    pairs = np.unique(np.sort(np.stack([caller, called], axis=1), axis=1), axis=0)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[both[:, 0].argsort(kind="stable")]
    place = np.arange(len(both)) - np.searchsorted(both[:, 0], both[:, 0])
    others = np.full((peers, place.max() + 1), NOTHING)
    others[both[:, 0], place] = both[:, 1]
    return others


def reverse_of(others: _Integers) -> _Integers:
    """At which place of the other's row each connection is."""
    peers = np.arange(len(others))[:, None]
    number = np.where(others == NOTHING, -1, others * len(others) + peers)  # as the other end writes it down
    own = np.where(others == NOTHING, -2, peers * len(others) + others)
    order = own.ravel().argsort()
    found = order[np.searchsorted(own.ravel(), number.ravel(), sorter=order).clip(max=order.size - 1)]
    reverse: _Integers = (found % others.shape[1]).reshape(others.shape)
    return reverse


def _all(values: _Bools) -> _Bools:
    """Of each row."""
    return np.asarray(values.all(axis=1))


def _any(values: _Bools) -> _Bools:
    """Of each row."""
    return np.asarray(values.any(axis=1))


def _highest(values: _Floats, count: int) -> _Bools:
    """Where the `count` highest of each row are; those of minus infinity do not count."""
    count = min(count, values.shape[1])
    chosen = values.argpartition(-count, axis=1)[:, -count:]
    highest = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(highest, chosen, True, axis=1)
    return highest & (values > -np.inf)
