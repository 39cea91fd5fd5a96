"""A DHT of millions of nodes as one sorted NumPy array of ids: who lives, how far away, and whom each names. Pure.

Of a node nothing is kept but the first 64 bits of its id. Whether it lives, how long its answers take and what is in
its buckets is drawn by hashing these bits whenever it is asked for: the same each time, and at no cost in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from magnetite.dht.contact import K
from magnetite.dht.routing_table import LARGE_BUCKETS

Ids: TypeAlias = NDArray[np.uint64]  # also distances: the XOR of two
Floats: TypeAlias = NDArray[np.float32]
Integers: TypeAlias = NDArray[np.int64]

NOBODY: Final = np.uint64(2**64 - 1)  # a distance nobody has, where there are fewer nodes than places
AROUND: Final = 32  # nodes closest to a target that are known one by one
MEDIAN: Final = 0.120  # seconds of round trip; assumed, as in docs/dht.md: there is no solid public distribution
SIGMA: Final = 0.9395  # of its logarithm, so that the 90th percentile is 400 ms
_BITS: Final = 64
_DRAWS: Final = K + 4  # with repetition, to find K different ones
_FEW: Final = 4 * K  # nodes of a range that are drawn from without repetition
_SALTS: Final = np.arange(1, 257, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


class Population:
    """`count` nodes, of which a fraction `dead` is still named by the others but answers nobody.

    Every node keeps `buckets[i]` contacts that share i bits with it, a power of two, and K beyond: drawn by chance from
    all that do, as many from each part of the range. Nodes that share more bits than there are K of are all known.
    """

    def __init__(
        self, count: int, rng: np.random.Generator, *, dead: float = 0.0, buckets: Sequence[int] = LARGE_BUCKETS
    ) -> None:
        self.dead = dead
        self.ids: Ids = rng.integers(0, 2**_BITS, count, dtype=np.uint64)
        self.ids.sort()
        self._seed = np.uint64(rng.integers(0, 2**_BITS, dtype=np.uint64))
        self._capacity = capacities(buckets)
        self._part_bits = part_bits(buckets)

    def __len__(self) -> int:
        return len(self.ids)

    def is_dead(self, nodes: Ids) -> NDArray[np.bool_]:
        return uniform(nodes ^ self._seed) < self.dead

    def round_trips(self, nodes: Ids) -> Floats:
        """Seconds, log-normal; each node has its own."""
        return log_normal(nodes + self._seed, MEDIAN, SIGMA)

    def span(self, targets: Ids, depth: Integers) -> tuple[Integers, Integers]:
        """From where up to where in `ids` the nodes are that share `depth` bits with the target."""
        low, high = _prefix(targets, depth)
        return np.searchsorted(self.ids, low), np.searchsorted(self.ids, high, side="right")

    def around(self, targets: Ids) -> Ids:
        """The distances of the AROUND nodes closest to each target, the closest first: n x AROUND."""
        width = 2 * AROUND
        padded = np.searchsorted(self.ids, targets)[:, None] + np.arange(-width, width)
        distances = self.ids[padded.clip(0, len(self.ids) - 1)] ^ targets[:, None]
        distances[(padded < 0) | (padded >= len(self.ids))] = NOBODY
        distances.partition(AROUND, axis=1)
        return np.sort(distances[:, :AROUND], axis=1)

    def named(self, nodes: Ids, targets: Ids, around: Ids) -> Ids:
        """Whom each of `nodes` names when it is asked for its target, as distances from it: n x K, the closest first.

        `around` is what the method of that name says of the targets.
        """
        shared = shared_bits(nodes ^ targets)
        depth = shared + 1 + self._part_bits[shared]
        low, high = self.span(targets, depth)
        named = np.full((len(nodes), K), NOBODY)
        scarce = high - low < K
        few = ~scarce & (high - low <= _FEW)
        many = ~scarce & ~few
        named[scarce] = self._of_neighbours(nodes[scarce], targets[scarce], around[scarce])
        named[few] = self._of_few(nodes[few], targets[few], low[few], high[few])
        named[many] = self._of_many(nodes[many], targets[many], low[many], high[many])
        return named

    def start(self, searchers: Ids, targets: Ids, count: int, buckets: Sequence[int] = LARGE_BUCKETS) -> Ids:
        """The `count` contacts nearest to its target of each searcher's table, of such `buckets`: n x count distances.

        The searchers need not be of the population. The same contact may be there twice.
        """
        shared = shared_bits(searchers ^ targets)
        capacity = capacities(buckets)[shared]
        # What one bucket has to offer, and the rest from those nearer to the searcher, all as far from the target.
        depth = np.where(capacity >= count, shared + 1 + _log2(capacity) - _log2(np.array(count)), shared)
        is_near = (np.arange(count) < capacity[:, None]) & (capacity < count)[:, None]
        near = self._drawn(~searchers, targets, shared + 1, count)
        rest = self._drawn(searchers, targets, depth, count)
        return np.sort(np.where(is_near, near, rest) ^ targets[:, None], axis=1)

    # -- within -------------------------------------------------------------------------------------------------------

    def _drawn(self, nodes: Ids, targets: Ids, depth: Integers, count: int) -> Ids:
        """`count` nodes each that share `depth` bits with the target, or any where none does."""
        low, high = self.span(targets, depth)
        is_empty = low == high
        low, high = np.where(is_empty, 0, low), np.where(is_empty, len(self.ids), high)
        return self.ids[_draw(nodes, low, high, _SALTS[:count])]

    def _of_many(self, nodes: Ids, targets: Ids, low: Integers, high: Integers) -> Ids:
        drawn = self.ids[_draw(nodes, low, high, _SALTS[:_DRAWS])] ^ targets[:, None]
        is_new = np.ones(drawn.shape, dtype=bool)
        for number in range(1, _DRAWS):
            is_new[:, number] = (drawn[:, :number] != drawn[:, number : number + 1]).all(axis=1)
        drawn[~is_new | (is_new.cumsum(axis=1) > K)] = NOBODY
        return np.sort(drawn, axis=1)[:, :K]

    def _of_few(self, nodes: Ids, targets: Ids, low: Integers, high: Integers) -> Ids:
        places = low[:, None] + np.arange(_FEW)
        contacts = self.ids[places.clip(max=len(self.ids) - 1)]
        lot = mix(contacts + mix(nodes)[:, None])
        lot[places >= high[:, None]] = NOBODY
        chosen = lot.argpartition(K, axis=1)[:, :K]
        return np.sort(np.take_along_axis(contacts, chosen, axis=1) ^ targets[:, None], axis=1)

    def _of_neighbours(self, nodes: Ids, targets: Ids, around: Ids) -> Ids:
        """Where the bucket has not K contacts to offer, those of the other near buckets follow."""
        own = nodes ^ targets
        between = around ^ own[:, None]  # as distances from the node
        bucket = shared_bits(between).astype(np.int8)
        sizes = (bucket[:, :, None] == bucket[:, None, :]).sum(axis=2)
        is_known = uniform(around + mix(nodes)[:, None]) * sizes < self._capacity[bucket]
        is_known &= (around != own[:, None]) & (around != NOBODY)
        known = np.where(is_known, around, NOBODY)
        known.partition(K, axis=1)
        return np.sort(known[:, :K], axis=1)


def capacities(buckets: Sequence[int]) -> Integers:
    """Of all buckets."""
    return np.array([*buckets, *[K] * (_BITS + 1 - len(buckets))], dtype=np.int64)


def part_bits(buckets: Sequence[int]) -> Integers:
    """Into how many parts, as a power of two, a bucket's range falls of which each has K places (see dht/bucket.py)."""
    bits: Integers = np.maximum(_log2(capacities(buckets)) - _log2(np.array(K)), 0)
    return bits


def shared_bits(distances: Ids) -> Integers:
    """Leading zeros."""
    safe = distances & ~(distances >> np.uint64(1))  # as long, and never rounded up to one bit more
    shared: Integers = _BITS - np.frexp(safe.astype(np.float64))[1].astype(np.int64)
    return shared


def mix(values: Ids) -> Ids:
    """64 bits that look random, the same for the same value (the finish of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Ids = values ^ (values >> np.uint64(31))
    return mixed


def uniform(values: Ids) -> Floats:
    """A number from 0 to 1 drawn by each value."""
    drawn: Floats = (mix(values) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
    return drawn


def log_normal(values: Ids, median: float, sigma: float) -> Floats:
    """A log-normal number drawn by each value (Box and Muller 1958)."""
    radius = np.sqrt(-2 * np.log(1 - uniform(values)))
    normal = radius * np.cos(np.float32(2 * np.pi) * uniform(~values))
    drawn: Floats = (median * np.exp(sigma * normal)).astype(np.float32)
    return drawn


def _draw(nodes: Ids, low: Integers, high: Integers, salts: Ids) -> Integers:
    """Places from `low` up to `high` for each node, one for each salt; the same for the same node and range."""
    lots = mix(mix(nodes + low.astype(np.uint64))[:, None] + salts)
    places: Integers = low[:, None] + (lots % np.maximum(high - low, 1).astype(np.uint64)[:, None]).astype(np.int64)
    return places


def _prefix(targets: Ids, depth: Integers) -> tuple[Ids, Ids]:
    """The first and the last id that share `depth` bits with each target."""
    rest = np.where(depth > 0, NOBODY >> np.minimum(depth, _BITS - 1).astype(np.uint64), NOBODY)
    return targets & ~rest, targets | rest


def _log2(numbers: Integers) -> Integers:
    logarithms: Integers = np.log2(numbers).astype(np.int64)
    return logarithms
