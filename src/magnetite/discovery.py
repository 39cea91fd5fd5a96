"""Where a client's torrents get their peers from: searches of the DHT, and addresses that links and users name."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import TypeAlias

import trio

from magnetite.background import first_of
from magnetite.dht.node import DhtNode
from magnetite.dht.peer_search import PeerSearch
from magnetite.dht.schedule import (
    CONTENT_FOR,
    DIALLING_FOR,
    SEEDS_A_SECOND,
    SEEDS_AT_ONCE,
    announce_delay,
    search_delays,
)
from magnetite.endpoint import Address, Endpoint
from magnetite.errors import NetworkError
from magnetite.events import Source
from magnetite.pacer import Pacer
from magnetite.swarm.membership import Site
from magnetite.swarm.swarm import Swarm

log = logging.getLogger(__name__)

CHECKED_WITHIN = 5.0  # seconds we wait to learn whether a torrent is complete, before others are asked for it

Named: TypeAlias = tuple[Source, Address]


class Discovery:
    """For all torrents of a client; without a `node` nobody is searched for."""

    def __init__(self, site: Site, node: DhtNode | None) -> None:
        self._site = site
        self._node = node
        self._seed_turns = Pacer(SEEDS_A_SECOND, SEEDS_AT_ONCE)

    async def search_forever(self, swarm: Swarm, *, announce: bool, may_be_complete: bool = False) -> None:
        """Search the DHT, at first often, then whenever we announce ourselves.

        Seeds take turns: a thousand of them must not keep those waiting that lack something.
        """
        node = self._node
        if node is None:
            return
        swarm.exchange.on_dht_node = node.add_contact_hint
        delays = search_delays()
        await node.wait_usable()
        if may_be_complete:
            with trio.move_on_after(CHECKED_WITHIN):
                await swarm.checked.wait()
        while True:
            await swarm.until_resumed()
            if swarm.exchange.is_seeding:
                await trio.sleep_until(self._seed_turns.reserve(trio.current_time()))
            families = node.families
            async with node.get_peers(swarm.info_hash) as search:
                if announce:
                    search.be_thorough()
                search.be_content(DIALLING_FOR if announce else CONTENT_FOR)
                async for endpoint in search:
                    swarm.members.add(endpoint, Source.DHT)
                if announce:
                    await self._announce(search)
            is_settled = swarm.exchange.peers or swarm.exchange.is_seeding
            with trio.move_on_after(announce_delay(self._site.rng) if is_settled else next(delays)):
                await first_of(swarm.until_search_wanted, partial(node.wait_wider, families))

    async def _announce(self, search: PeerSearch) -> None:
        port, own_port = self._site.reach.port(is_ipv6=False), self._site.local[0].port
        if port is not None:
            await search.announce(port, ipv6_port=own_port)
        elif self._site.utp is not None:  # where the proxy sends our datagrams from, some may come in
            await search.announce(own_port or 1, implied_port=True)

    async def look_up_peers(self, swarm: Swarm, named: Iterable[Named]) -> None:
        for source, address in named:
            for endpoint in await self._resolve(address):
                swarm.members.add(endpoint, source)

    async def look_up_nodes(self, nodes: Iterable[Address]) -> None:
        """Nodes of the DHT that a torrent names (BEP 5, Torrent File Extensions)."""
        if self._node is not None:
            for each in nodes:
                for endpoint in await self._resolve(each):
                    self._node.add_contact_hint(endpoint)

    async def _resolve(self, address: Address) -> list[Endpoint]:
        """What a name stands for; nothing where it does not resolve, for others may."""
        try:
            return await self._site.network.resolve(*address)
        except NetworkError as error:
            log.warning("%s:%d: %s", *address, error)
            return []
