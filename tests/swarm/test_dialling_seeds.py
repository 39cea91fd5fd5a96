"""Seeds dial who may want something, for nobody may be able to dial them; and few, for most can."""

from __future__ import annotations

from contextlib import AsyncExitStack
from hashlib import sha1
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.events import Event, PeerConnected, PeerConnecting, PeerFound, Source
from magnetite.opening import open_dht_node
from magnetite.simnet import Fabric
from magnetite.simnet.nat import NatKind
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.candidates import RETRY_AFTER
from magnetite.swarm.membership import SEED_DIAL_RATE, SEED_DIALS
from magnetite.swarm.peer_extensions import OUR_UT_PEX
from magnetite.torrent.create import encode_info
from magnetite.torrent.metainfo import decode_info
from magnetite.torrent.selection import FileSelection
from magnetite.wire.messages import Extended, HaveNone, Interested
from magnetite.wire.pex import PexFlag, PexMessage, encode_pex
from tests.swarm.swarms import PORT, client_at, content, dial, stored, torrent_of, until, using

DATA = content(400_000)
METAINFO = torrent_of(DATA)
SEED, LEECH, OTHER = "95.90.7.7", "93.184.216.34", "93.184.216.35"


def dialled(events: list[Event]) -> list[str]:
    return [event.endpoint.ip for event in events if isinstance(event, PeerConnecting)]


@pytest.mark.parametrize("kind", [NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC, NatKind.FIREWALL])
async def test_a_seed_that_nobody_can_dial_serves_a_leech_that_it_can(fabric: Fabric, kind: NatKind) -> None:
    host = fabric.host(SEED, nat=kind)
    async with client_at(fabric, LEECH) as leech, client_at(host, host.ip) as seed:
        download = await leech.add(str(METAINFO.info_hash), storage=using(MemoryStorage(METAINFO)))
        await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)), peers=[(LEECH, PORT)])
        with trio.fail_after(30):
            await download.completed()


async def test_it_finds_the_leech_in_the_dht_when_it_announces_itself(fabric: Fabric) -> None:
    routers = [("20.0.0.1", PORT)]
    dht = {"dht": True, "bootstrap": routers}
    host = fabric.host(SEED, nat=NatKind.PORT_RESTRICTED)
    async with AsyncExitStack() as stack:
        for number in range(1, 9):
            ip = f"20.0.0.{number}"
            await stack.enter_async_context(
                open_dht_node(network=fabric.host(ip), bind=ip, bootstrap=routers, rng=Random(ip))
            )
        await trio.sleep(60)
        seed = await stack.enter_async_context(client_at(host, host.ip, **dht))
        await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)))
        await trio.sleep(60)
        leech = await stack.enter_async_context(client_at(fabric, LEECH, **dht))
        download = await leech.add(str(METAINFO.info_hash), storage=using(MemoryStorage(METAINFO)))
        with trio.fail_after(20 * 60):
            await download.completed()


async def test_seeds_meet_once_and_leave_each_other_alone_from_then_on(fabric: Fabric) -> None:
    events: list[Event] = []
    async with client_at(fabric, SEED, observe=events.append) as seed, client_at(fabric, OTHER) as other:
        for client, peers in ((other, []), (seed, [(OTHER, PORT)])):
            await client.add(METAINFO, storage=using(await stored(METAINFO, DATA)), peers=peers)
        await trio.sleep(3 * 3600)
    assert dialled(events) == [OTHER]


async def test_a_leech_that_wants_nothing_of_us_is_dialled_less_and_less_often(fabric: Fabric) -> None:
    events: list[Event] = []
    async with client_at(fabric, SEED, observe=events.append) as seed, client_at(fabric, LEECH) as leech:
        download = await leech.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        download.pause()
        await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)), peers=[(LEECH, PORT)])
        await trio.sleep(3 * 3600)
    assert 2 <= len(dialled(events)) <= 4


async def test_whoever_came_to_us_is_not_dialled_as_well(fabric: Fabric) -> None:
    events: list[Event] = []
    async with client_at(fabric, SEED, observe=events.append) as seed:
        await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)))
        await trio.sleep(1)
        puppet = await dial(fabric.host(LEECH), SEED, METAINFO.info_hash)
        await puppet.introduce(p=PORT)
        await puppet.say(HaveNone(), Interested())
        await until(lambda: any(isinstance(event, PeerConnected) for event in events))
        await trio.sleep(1)
        await seed.add(METAINFO, peers=[(LEECH, PORT)])
        await trio.sleep(30)
    assert not dialled(events)


async def test_of_those_that_a_peer_names_a_seed_dials_who_is_not_said_to_be_one(fabric: Fabric) -> None:
    events: list[Event] = []
    named = {Endpoint("93.184.217.1", PORT): PexFlag.SEED, Endpoint("93.184.218.1", PORT): PexFlag(0)}
    async with client_at(fabric, SEED, observe=events.append) as seed:
        await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)))
        await trio.sleep(1)
        puppet = await dial(fabric.host(LEECH), SEED, METAINFO.info_hash)
        await puppet.say(HaveNone(), Interested(), Extended(OUR_UT_PEX, encode_pex(PexMessage(named))))
        await trio.sleep(30)
    assert dialled(events) == ["93.184.218.1"]
    assert {event.source for event in events if isinstance(event, PeerFound)} == {Source.PEX}


async def test_all_seeds_of_a_client_together_dial_no_faster_than_they_should(fabric: Fabric) -> None:
    times: list[float] = []

    def observe(event: Event) -> None:
        if isinstance(event, PeerConnecting):
            times.append(event.time)

    start = trio.current_time()
    async with client_at(fabric, SEED, observe=observe) as client:
        for number in range(30):
            data = content(40_000, seed=number)
            metainfo = torrent_of(data)
            peers = [(f"20.{number}.{other}.1", PORT) for other in range(10)]
            await client.add(metainfo, storage=using(await stored(metainfo, data)), peers=peers)
        await trio.sleep(100)
    dials = sum(time > start + 40 for time in times)  # until it has looked at what it has, none is a seed
    assert 30 < dials <= 60 * SEED_DIAL_RATE + SEED_DIALS


async def test_a_seed_that_comes_to_want_something_dials_at_once_and_seeds_too(fabric: Fabric) -> None:
    """However many others wait for their turn to dial."""
    parts = [content(200_000, seed=number) for number in (1, 2)]
    hashes = b"".join(sha1(part[at : at + 50_000]).digest() for part in parts for at in range(0, 200_000, 50_000))
    metainfo = decode_info(encode_info([(("two", name), 200_000) for name in ("a", "b")], 50_000, hashes))
    async with client_at(fabric, OTHER) as other, client_at(fabric, SEED) as client:
        await other.add(metainfo, storage=using(await stored(metainfo, b"".join(parts))))
        first = FileSelection(((0, 0),))
        download = await client.add(
            metainfo, storage=using(MemoryStorage(metainfo)), peers=[(OTHER, PORT)], files=first
        )
        await download.completed()
        for number in range(100):
            data = content(1_000, seed=number)
            waiting = torrent_of(data)
            await client.add(waiting, storage=using(await stored(waiting, data)), peers=[(f"20.0.{number}.1", PORT)])
        await trio.sleep(2 * RETRY_AFTER)
        download.select(FileSelection())
        with trio.fail_after(5):
            await download.completed()
