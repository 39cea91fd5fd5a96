"""What a client does with the torrents it is given, besides trading their pieces."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import LocalProtocolError
from magnetite.events import ContactAdded, Event
from magnetite.simnet import Fabric
from magnetite.storage.memory import MemoryStorage
from tests.swarm.swarms import PORT, client_at, content, stored, torrent_of, using


async def test_two_clients_without_a_router_meet_in_the_dht_through_the_nodes_a_torrent_names(fabric: Fabric) -> None:
    """And so does whoever opens the magnet with one of them as its router (BEP 5, Torrent File Extensions)."""
    data = content(100_000)
    metainfo = torrent_of(data)
    events: list[Event] = []
    async with (
        client_at(fabric, "10.0.0.1", dht=True, bootstrap=()) as seed,
        client_at(fabric, "10.0.0.2", dht=True, bootstrap=(), observe=events.append) as leech,
    ):
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        named = replace(metainfo, nodes=(("10.0.0.1", PORT),))
        download = await leech.add(named, storage=using(MemoryStorage(metainfo)))
        with trio.fail_after(60):
            await download.completed()
    assert any(isinstance(event, ContactAdded) and event.endpoint == Endpoint("10.0.0.1", PORT) for event in events)


async def test_a_torrent_whose_metadata_is_being_fetched_cannot_be_added_or_fetched_again_until_that_ends(
    fabric: Fabric,
) -> None:
    metainfo = torrent_of(content(100_000))
    async with client_at(fabric, "10.0.0.2") as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.fetch_metadata, str(metainfo.info_hash))
            await trio.sleep(1)
            with pytest.raises(LocalProtocolError, match="being fetched"):
                await client.add(metainfo)
            with pytest.raises(LocalProtocolError, match="being fetched"):
                await client.fetch_metadata(str(metainfo.info_hash))
            nursery.cancel_scope.cancel()
        download = await client.add(metainfo, storage=using(MemoryStorage(metainfo)))
        assert await client.fetch_metadata(str(metainfo.info_hash)) is metainfo
        assert not download.progress().is_complete
