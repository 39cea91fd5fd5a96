"""A production DHT node whose searches are measured."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio

from magnetite.dht.contact import K
from magnetite.dht.node import DhtNode
from magnetite.dht.routing_table import capacity_of
from magnetite.endpoint import Endpoint
from magnetite.events import Event, LookupFinished, LookupProgress
from magnetite.ids import InfoHash, NodeId
from magnetite.study.residents import Capacity, Resident
from magnetite.study.world import World

SETTLING: Final = 30.0  # seconds; a new node's first lookups are over, and it knows how long answers take
PEER: Final = Endpoint("9.9.9.9", 6881)
NO_DHT: Final = "there is no DHT: await world.dht(n) first"


@dataclass(frozen=True, slots=True)
class Searched:
    """What one search for peers did."""

    first: float | None  # seconds to the first peer, None if none was found
    seconds: float  # to the end
    queries: int
    answered: int
    before: int  # answers that named no peer yet; all if none did
    hops: int
    peers: int


class Searcher:
    """Searches with `node`, one search of a target at a time. Made by `open_searcher`, which tells it of events."""

    def __init__(self) -> None:
        self.node: DhtNode
        self._finished: dict[InfoHash | NodeId, LookupFinished] = {}
        self._before: dict[InfoHash | NodeId, int] = {}

    async def search(self, info_hash: InfoHash) -> Searched:
        """Search for peers to the end; each that is found is read at once."""
        began, first = trio.current_time(), None
        async with self.node.get_peers(info_hash) as search:
            async for _ in search:
                first = trio.current_time() - began if first is None else first
        ended = self._finished.pop(info_hash)
        before = self._before.pop(info_hash, ended.answered)
        return Searched(first, ended.duration, ended.asked, ended.answered, before, ended.hops, ended.peers)

    def observe(self, event: Event) -> None:
        if isinstance(event, LookupFinished):
            self._finished[event.target] = event
        elif isinstance(event, LookupProgress) and event.peers:
            self._before.setdefault(event.target, event.answered - 1)


def announced(world: World, among: Sequence[Resident] | None = None) -> InfoHash:
    """A new info-hash, of which the K closest of the living residents know a peer; or of those it was kept `among`."""
    assert world.population is not None, NO_DHT
    info_hash = InfoHash(world.rng("announced").getrandbits(160))
    residents = world.population.residents if among is None else among
    for resident in sorted(residents, key=lambda each: each.contact.node_id ^ info_hash)[:K]:
        resident.store.add(info_hash, PEER, world.now)
    return info_hash


@asynccontextmanager
async def open_searcher(
    world: World, *, capacity: Capacity | None = None, living_only: bool = False, **options: object
) -> AsyncIterator[Searcher]:
    """A node on a host of its own that has been in the world's DHT for long, and nothing to do but to search.

    `capacity` and `living_only` are those of `Population.acquaint`, `options` those of `open_dht_node`.
    """
    assert world.population is not None, NO_DHT
    searcher = Searcher()
    async with world.node(world.host(), traced=False, observe=searcher.observe, **options) as node:
        searcher.node = node
        world.population.acquaint(node, capacity or capacity_of, living_only=living_only, long_ago=True)
        await trio.sleep(SETTLING)
        yield searcher
