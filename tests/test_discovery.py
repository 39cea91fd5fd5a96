"""Peers that a search finds are dialled before the search goes on."""

from __future__ import annotations

import pytest
import trio

from magnetite.dht.schedule import DIALLING_FOR
from magnetite.events import Event, PeerConnecting, PeerFound
from magnetite.ids import InfoHash
from magnetite.simnet import Fabric
from tests.dht.world import open_world
from tests.swarm.swarms import client_at, until

HASH = InfoHash(0x5EED << 144)


async def test_the_first_peers_are_dialled_at_once_and_nobody_else_is_asked_for_more_meanwhile(fabric: Fabric) -> None:
    events: list[Event] = []
    async with open_world(fabric, 60) as world:
        await world.nodes[10].announce(HASH, 7000)
        options = {"dht": True, "bootstrap": world.routers, "observe": events.append}
        async with client_at(fabric, world.next_ip(), **options) as client:
            assert client.node is not None
            await client.node.wait_usable()
            await client.add(str(HASH))
            with trio.fail_after(10):
                await until(lambda: any(isinstance(event, PeerFound) for event in events))
            found = next(event.time for event in events if isinstance(event, PeerFound))
            sent = client.node.statistics().counters.queries_sent["get_peers"]
            await trio.sleep_until(found + 0.9 * DIALLING_FOR)
            assert client.node.statistics().counters.queries_sent["get_peers"] == sent
            dialled = next(event.time for event in events if isinstance(event, PeerConnecting))
            assert dialled == pytest.approx(found, abs=0.001)
            await trio.sleep(1)
            assert client.node.statistics().counters.queries_sent["get_peers"] > sent  # it announces itself, too
