"""A client in both families at once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.events import Event, PeerConnected, PeerFound, Source
from magnetite.net.base import Network
from magnetite.opening import open_client, open_dht_node
from magnetite.simnet import Fabric
from magnetite.storage.memory import MemoryStorage
from tests.net.two_homed import TwoHomed
from tests.swarm.swarms import PORT, bytes_of, content, stored, torrent_of, using

DATA = content(300_000)
METAINFO = torrent_of(DATA)
ROUTERS = [("20.0.0.1", PORT), ("2a00::1", PORT)]


async def enter_dhts(stack: AsyncExitStack, fabric: Fabric) -> None:
    """A small DHT of each family, that know nothing of each other."""
    for number in range(1, 6):
        for ip, router in ((f"20.0.0.{number}", ROUTERS[0]), (f"2a00::{number}", ROUTERS[1])):
            node = open_dht_node(network=fabric.host(ip), bind=ip, bootstrap=[router], rng=Random(ip))
            await stack.enter_async_context(node)
    await trio.sleep(60)


async def download(stack: AsyncExitStack, seed: Network, leech: Network) -> list[Event]:
    """By bare info-hash; what the leech went through."""
    events: list[Event] = []
    sharing = await stack.enter_async_context(open_client(network=seed, bootstrap=ROUTERS, rng=Random(1)))
    await sharing.add(METAINFO, storage=using(await stored(METAINFO, DATA)))
    await trio.sleep(30)
    client = open_client(network=leech, bootstrap=ROUTERS, rng=Random(2), observe=events.append)
    storage = MemoryStorage(METAINFO)
    loading = await (await stack.enter_async_context(client)).add(str(METAINFO.info_hash), storage=using(storage))
    with trio.fail_after(120):
        await loading.completed()
    assert await bytes_of(storage, METAINFO) == DATA
    return events


@pytest.mark.parametrize("seed_has", ["20.1.0.1", "2a00:1::1"])
async def test_a_dual_stack_client_finds_a_seed_that_has_one_family_alone(fabric: Fabric, seed_has: str) -> None:
    async with AsyncExitStack() as stack:
        await enter_dhts(stack, fabric)
        events = await download(stack, fabric.host(seed_has), TwoHomed(fabric, "20.2.0.1", "2a00:2::1"))
    assert {event.endpoint.ip for event in events if isinstance(event, PeerConnected)} == {seed_has}


@pytest.mark.parametrize("leech_has", ["20.2.0.1", "2a00:2::1"])
async def test_a_dual_stack_seed_is_found_in_either_family(fabric: Fabric, leech_has: str) -> None:
    async with AsyncExitStack() as stack:
        await enter_dhts(stack, fabric)
        await download(stack, TwoHomed(fabric, "20.1.0.1", "2a00:1::1"), fabric.host(leech_has))


async def test_of_two_dual_stack_clients_each_keeps_one_connection_to_the_other(fabric: Fabric) -> None:
    async with AsyncExitStack() as stack:
        await enter_dhts(stack, fabric)
        one, other = TwoHomed(fabric, "20.1.0.1", "2a00:1::1"), TwoHomed(fabric, "20.2.0.1", "2a00:2::1")
        events = await download(stack, one, other)
    assert sum(isinstance(event, PeerConnected) for event in events) == 1  # though both calls arrive at one instant


async def test_a_family_that_joins_late_is_searched_as_soon_as_it_has_joined(fabric: Fabric) -> None:
    machine = TwoHomed(fabric, "20.2.0.1", "2a00:2::1")
    async with AsyncExitStack() as stack:
        await enter_dhts(stack, fabric)
        seed = await stack.enter_async_context(open_client(network=fabric.host("2a00:1::1"), bootstrap=ROUTERS))
        await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)))
        machine.hosts[True].unplug()
        await trio.sleep(30)
        events: list[Event] = []
        opening = open_client(network=machine, bootstrap=ROUTERS, rng=Random(2), observe=events.append)
        client = await stack.enter_async_context(opening)
        loading = await client.add(str(METAINFO.info_hash), storage=using(MemoryStorage(METAINFO)))
        await trio.sleep(300)
        assert not any(isinstance(event, PeerFound) and event.endpoint.is_ipv6 for event in events)
        machine.hosts[True].plug()
        with trio.fail_after(90):
            await loading.completed()


async def test_endpoints_of_a_family_that_we_have_no_socket_for_are_not_dialled(fabric: Fabric) -> None:
    async with open_client(network=fabric.host("20.0.0.9"), dht=False) as client:
        loading = await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        members = client._swarms[loading.info_hash].members
        for ip in ("20.0.0.8", "2a00::8"):
            members.add(Endpoint(ip, PORT), Source.DHT)
        assert len(members.candidates) == 1
