"""The port that a router forwards to ours is the one that others are told."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from magnetite.events import Event, PeerStored, PortMapped
from magnetite.net.portmap.mapping import IpProtocol, PortMapping
from magnetite.net.portmap.routes import Route
from magnetite.opening import open_dht_node
from magnetite.simnet import Fabric
from magnetite.wire.extensions import decode_extension_handshake
from magnetite.wire.messages import Extended
from tests.net.portmap.test_keep import Router
from tests.swarm.swarms import PORT, client_at, content, dial, stored, torrent_of, using

OURS, ROUTER = "93.184.216.34", "93.184.216.1"
MAPPED = PORT + 2


@pytest.fixture
def router(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> partial[Router]:
    """Makes one that has given our port to others, and is on our way to the internet."""
    monkeypatch.setattr("magnetite.net.home.default_route", lambda own: Route(ROUTER, OURS))
    return partial(Router, fabric, ROUTER)


async def said_port(puppet) -> int | None:
    return decode_extension_handshake((await puppet.next(Extended)).payload).p


async def test_peers_are_told_the_mapped_port_those_already_connected_too(
    fabric: Fabric, router: partial[Router]
) -> None:
    data = content(100_000)
    metainfo = torrent_of(data)
    async with trio.open_nursery() as nursery:
        gateway = router()
        gateway.taken = {PORT, PORT + 1}
        async with client_at(fabric, OURS, port_mapping=PortMapping.NATPMP) as client:
            await client.add(metainfo, storage=using(await stored(metainfo, data)))
            await trio.sleep(0.5)
            early = await dial(fabric.host("93.184.216.50"), OURS, metainfo.info_hash)
            await early.introduce()
            assert await said_port(early) == PORT
            nursery.start_soon(gateway.run)
            assert await said_port(early) == MAPPED
            assert (client.port, client.announced_port) == (PORT, MAPPED)
            late = await dial(fabric.host("93.184.216.51"), OURS, metainfo.info_hash)
            assert await said_port(late) == MAPPED
        nursery.cancel_scope.cancel()


async def test_the_dht_is_told_the_mapped_port_as_soon_as_it_is_known(fabric: Fabric, router: partial[Router]) -> None:
    data = content(100_000)
    metainfo = torrent_of(data)
    heard: list[Event] = []
    async with trio.open_nursery() as nursery:
        gateway = router()
        gateway.taken = {PORT, PORT + 1}
        gateway.answers = False
        nursery.start_soon(gateway.run)
        node = client_at(fabric, "20.1.1.7", dht=True, bootstrap=[], observe=heard.append)
        options = {"dht": True, "bootstrap": [("20.1.1.7", PORT)], "port_mapping": PortMapping.NATPMP}
        async with node, client_at(fabric, OURS, **options) as client:
            await client.add(metainfo, storage=using(await stored(metainfo, data)))
            await trio.sleep(20)
            assert ports_stored(heard) == {PORT}
            gateway.answers = True
            await trio.sleep(50)
            assert ports_stored(heard) == {PORT, MAPPED}
        nursery.cancel_scope.cancel()


def ports_stored(events: list[Event]) -> set[int]:
    return {event.endpoint.port for event in events if isinstance(event, PeerStored)}


async def test_a_dht_node_has_its_udp_port_mapped_and_takes_it_back(fabric: Fabric, router: partial[Router]) -> None:
    events: list[Event] = []
    async with trio.open_nursery() as nursery:
        gateway = router()
        nursery.start_soon(gateway.run)
        network = fabric.host(OURS)
        options = {"bootstrap": [], "observe": events.append, "port_mapping": PortMapping.NATPMP}
        async with open_dht_node(port=PORT, bind=OURS, network=network, **options):
            await trio.sleep(5)
            assert gateway.mapped == {(IpProtocol.UDP, PORT): PORT}
        await trio.sleep(1)
        assert not gateway.mapped
        nursery.cancel_scope.cancel()
    [mapped] = [event for event in events if isinstance(event, PortMapped)]
    assert mapped.external.port == PORT
