"""Peers behind routers that let nobody in are brought together by one that both know (BEP 55)."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio

from magnetite.events import Event, PeerConnected, PeerFailed, Source
from magnetite.simnet import Fabric
from magnetite.simnet.nat import NatKind
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.company import ignore
from magnetite.ways import Carrier
from tests.swarm.swarms import PORT, client_at, content, torrent_of, using

DATA = content(1 << 20)
METAINFO = torrent_of(DATA)
RELAY, ONE, OTHER = "93.184.216.34", "95.90.7.7", "95.90.9.9"


async def half(remainder: int) -> MemoryStorage:
    """A storage that has every other piece."""
    storage = MemoryStorage(METAINFO)
    for piece in range(remainder, METAINFO.piece_count, 2):
        at = piece * METAINFO.piece_length
        assert await storage.commit([(piece, DATA[at : at + METAINFO.piece_length])]) == [True]
    return storage


async def meetings(fabric: Fabric, one: NatKind, other: NatKind) -> tuple[list[PeerConnected], list[PeerFailed]]:
    """How two that have what the other lacks come together, in five minutes, by way of a third that has nothing."""
    connected: list[PeerConnected] = []
    failed: list[PeerFailed] = []

    def observe(event: Event) -> None:
        if isinstance(event, PeerConnected) and event.endpoint.ip in (ONE, OTHER):
            connected.append(event)
        elif isinstance(event, PeerFailed):
            failed.append(event)

    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(client_at(fabric, RELAY))
        relay.limit(upload=1024)  # so that they need each other
        await relay.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        for remainder, (ip, kind) in enumerate([(ONE, one), (OTHER, other)]):
            host = fabric.host(ip, nat=kind)
            client = await stack.enter_async_context(client_at(host, host.ip, observe=observe))
            await client.add(METAINFO, storage=using(await half(remainder)), peers=[(RELAY, PORT)])
        # If both heard of each other at one moment, and they do, they would dial at one moment, and need nobody for it.
        client._swarms[METAINFO.info_hash].exchange.acquaintance.on_named = ignore
        await trio.sleep(300)
    return connected, failed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (NatKind.PORT_RESTRICTED, NatKind.PORT_RESTRICTED),
        (NatKind.FIREWALL, NatKind.PORT_RESTRICTED),
        (NatKind.SYMMETRIC, NatKind.RESTRICTED),
    ],
)
async def test_those_whom_nobody_reaches_reach_each_other(fabric: Fabric, one: NatKind, other: NatKind) -> None:
    connected, _ = await meetings(fabric, one, other)
    assert {event.endpoint.ip for event in connected} == {ONE, OTHER}
    assert {event.carrier for event in connected} == {Carrier.UTP}
    assert {event.source for event in connected} <= {Source.HOLEPUNCH, Source.INCOMING}


@pytest.mark.parametrize(
    ("one", "other"),
    [(NatKind.SYMMETRIC, NatKind.SYMMETRIC), (NatKind.SYMMETRIC, NatKind.PORT_RESTRICTED)],
)
async def test_where_each_stranger_sees_another_port_they_do_not_and_soon_give_up(
    fabric: Fabric, one: NatKind, other: NatKind
) -> None:
    connected, failed = await meetings(fabric, one, other)
    assert not connected
    assert len(failed) < 20
