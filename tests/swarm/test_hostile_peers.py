"""Peers that break rules, or keep to them in the worst possible way: the client and the honest peers go on."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.events import Event, MetadataClaimed, PeerClosed
from magnetite.ids import InfoHash, PeerId
from magnetite.simnet import Fabric, Host
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.places import Places
from magnetite.wire.extensions import (
    HANDSHAKE_ID,
    ExtensionHandshake,
    MetadataData,
    MetadataReject,
    MetadataRequest,
    encode_metadata,
)
from magnetite.wire.handshake import Handshake
from magnetite.wire.messages import (
    AllowedFast,
    BitfieldMessage,
    Block,
    BlockRequest,
    Cancel,
    Choke,
    Extended,
    Have,
    HaveAll,
    HaveNone,
    Interested,
    KeepAlive,
    Message,
    NotInterested,
    Port,
    Reject,
    Request,
    Suggest,
    Unchoke,
    encode,
)
from tests.swarm.swarms import PORT, Puppet, bytes_of, client_at, content, dial, stored, torrent_of, using

# -- the first message -----------------------------------------------------------------------------------------------

WRONG_AT_ONCE = [BitfieldMessage(bytes(100)), BitfieldMessage(b"\xff\xff"), Have(1000), Suggest(1 << 20)]


@pytest.mark.parametrize("message", WRONG_AT_ONCE, ids=lambda message: type(message).__name__)
async def test_nonsense_right_behind_a_callers_handshake_ends_that_connection_only(
    fabric: Fabric, message: Message
) -> None:
    data = content(300_000)
    metainfo = torrent_of(data)
    events: list[Event] = []
    async with client_at(fabric, "10.0.0.1", observe=events.append) as seed:
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)))).completed()
        stream = await fabric.host("10.0.0.2").connect(Endpoint("10.0.0.1", PORT))
        await stream.send_all(_greeting(metainfo.info_hash) + encode(message))
        with trio.fail_after(5):
            await _until_closed(stream)
        assert [event.reason for event in events if isinstance(event, PeerClosed)] == [Reason.PROTOCOL_ERROR]
        assert not seed.downloads[metainfo.info_hash].progress().peers
        puppet = await dial(fabric.host("10.0.0.3"), "10.0.0.1", metainfo.info_hash)
        with trio.fail_after(5):
            await puppet.next(HaveAll)


@pytest.mark.parametrize("message", WRONG_AT_ONCE, ids=lambda message: type(message).__name__)
async def test_nonsense_right_behind_the_handshake_of_a_peer_we_dialled_ends_that_connection_only(
    fabric: Fabric, message: Message
) -> None:
    metainfo = torrent_of(content(300_000))
    listener = await fabric.host("10.0.0.2").listen(Endpoint("10.0.0.2", PORT))
    async with client_at(fabric, "10.0.0.1") as client:
        download = await client.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.0.2", PORT)])
        stream = await listener.accept()
        await stream.send_all(_greeting(metainfo.info_hash) + encode(message))
        with trio.fail_after(5):
            await _until_closed(stream)
        assert not download.ended.is_set()
        assert download.progress().peers == 0


def _greeting(info_hash: InfoHash, *, fast: bool = True, extensions: bool = True, number: int = 1) -> bytes:
    return Handshake(info_hash, PeerId(b"-PU0001-puppet%06d" % number), extensions, fast).encode()


async def _until_closed(stream) -> None:
    while await stream.receive_into(bytearray(1 << 16)):
        pass


# -- any messages in any order ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_a_peer_says_an_honest_one_finishes_the_download(fabric: Fabric, seed: int) -> None:
    """Half of the downloads begin with an info-hash; the noisy peers call us and are called, with and without BEP 6."""
    rng = Random(seed)
    data = content(300_000)
    metainfo = torrent_of(data)
    storage = MemoryStorage(metainfo)
    noisy = [fabric.host(f"10.0.1.{n}") for n in range(6)]
    async with (
        client_at(fabric, "10.0.0.1") as honest,
        client_at(fabric, "10.0.0.2") as client,
        trio.open_nursery() as nursery,
    ):
        for host in noisy[:3]:
            await nursery.start(_wait_and_babble, host, metainfo, data, Random(rng.random()))
        download = await client.add(
            rng.choice([metainfo, str(metainfo.info_hash)]),
            storage=using(storage),
            peers=[(host.ip, PORT) for host in noisy[:3]],
        )
        for host in noisy[3:]:
            nursery.start_soon(_call_and_babble, host, metainfo, data, Random(rng.random()))
        await trio.sleep(rng.choice([0, 2, 30, 100]))
        await honest.add(metainfo, storage=using(await stored(metainfo, data)))
        await client.add(metainfo, peers=[("10.0.0.1", PORT)])
        with trio.fail_after(300):
            await download.completed()
        assert not download.ended.is_set()
        nursery.cancel_scope.cancel()
    assert await bytes_of(storage, metainfo) == data


async def _wait_and_babble(host: Host, metainfo, data: bytes, rng: Random, task_status=trio.TASK_STATUS_IGNORED):
    listener = await host.listen(Endpoint(host.ip, PORT))
    task_status.started()
    while True:
        await _babble(await listener.accept(), metainfo, data, rng)


async def _call_and_babble(host: Host, metainfo, data: bytes, rng: Random) -> None:
    while True:
        try:
            stream = await host.connect(Endpoint("10.0.0.2", PORT))
        except NetworkError:
            return
        await _babble(stream, metainfo, data, rng)
        await trio.sleep(rng.uniform(0, 3))


async def _babble(stream, metainfo, data: bytes, rng: Random) -> None:
    """Shake hands and say a hundred things, some of them right behind the handshake."""
    fast, extensions = rng.random() < 0.7, rng.random() < 0.8
    said = _greeting(metainfo.info_hash, fast=fast, extensions=extensions, number=rng.randrange(1000))
    puppet = Puppet(stream)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, puppet, nursery.cancel_scope)
            for _ in range(100):
                for _ in range(rng.choice([0, 1, 5])):
                    said += encode(_anything(puppet, metainfo, data, rng, fast=fast, extensions=extensions))
                if rng.random() < 0.01:
                    said += rng.randbytes(rng.randrange(20))
                await stream.send_all(said)
                said = b""
                await trio.sleep(rng.choice([0, 0.05, 0.5]))
            nursery.cancel_scope.cancel()
    except* NetworkError:
        pass
    finally:
        await stream.aclose()


async def _listen(puppet: Puppet, scope: trio.CancelScope) -> None:
    while not puppet.ended:
        await puppet.listen()
        del puppet.heard[:-50]
    scope.cancel()


def _anything(puppet: Puppet, metainfo, data: bytes, rng: Random, *, fast: bool, extensions: bool) -> Message:
    """A message, mostly one that is allowed now; an answer to what the client asked, every other time."""
    asked = [message.block for message in puppet.heard if isinstance(message, Request)]
    if asked and rng.random() < 0.5:
        block = rng.choice(asked)
        at = block.piece * metainfo.piece_length + block.begin
        right = data[at : at + block.length]
        wrong = bytes(block.length)
        return rng.choice([Block(*block[:2], right), Block(*block[:2], right), Block(*block[:2], wrong), Choke()])
    piece = rng.randrange(metainfo.piece_count + (rng.random() < 0.02))
    block = BlockRequest(piece, rng.choice([0, 16384, 5, 1 << 31]), rng.choice([16384, 1, 1 << 17]))
    size = len(metainfo.info)
    choices: list[Message] = [
        KeepAlive(),
        *(Choke(), Unchoke(), Unchoke(), Unchoke(), Interested(), NotInterested()),
        *(Have(piece), Have(piece), Request(block), Cancel(block), Port(rng.randrange(1 << 16))),
        Block(piece, rng.choice([0, 16384, 7]), bytes(rng.choice([0, 1, 16384]))),
    ]
    if rng.random() < 0.05:
        full = (1 << metainfo.piece_count) - 1
        bits = full << -metainfo.piece_count % 8
        choices += [BitfieldMessage(bits.to_bytes((metainfo.piece_count + 7) // 8, "big"))] * 9
    if fast:
        choices += [Reject(block), Suggest(piece), AllowedFast(piece)]
        choices += [HaveAll(), HaveNone()] if rng.random() < 0.1 else []
        choices += [Reject(request) for request in asked[-3:]]
    if extensions:
        handshake = ExtensionHandshake(
            m={"ut_metadata": rng.choice([0, 3, 255])},
            metadata_size=rng.choice([None, size, size, size, size + 1, 1 << 40 if rng.random() < 0.05 else size]),
            reqq=rng.choice([None, 1, 250, 1 << 40]),
            v="x" * rng.randrange(200),
        )
        metadata = [
            MetadataRequest(rng.choice([0, 1, 1 << 62])),
            MetadataReject(0),
            MetadataData(0, size, metainfo.info),
            MetadataData(0, size, bytes(size)),
            MetadataData(rng.randrange(3), size, b"x"),
        ]
        choices += [
            Extended(HANDSHAKE_ID, handshake.encode()),
            Extended(HANDSHAKE_ID, handshake.encode()),
            *(Extended(rng.choice([1, 1, 1, 2]), encode_metadata(message)) for message in metadata),
        ]
        choices += [Extended(rng.choice([0, 1]), rng.randbytes(30))] if rng.random() < 0.05 else []
    return rng.choice(choices)


# -- rules kept to in the worst way ----------------------------------------------------------------------------------


async def test_an_unchoke_said_twice_does_not_make_us_ask_for_the_same_blocks_again(fabric: Fabric) -> None:
    metainfo = torrent_of(content(400_000))
    async with client_at(fabric, "10.0.0.2") as leech:
        await leech.add(metainfo, storage=using(MemoryStorage(metainfo)))
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.2", metainfo.info_hash, fast=False)
        await puppet.say(BitfieldMessage(b"\xff\xf8"), Unchoke())
        await puppet.next(Request)
        await puppet.say(Unchoke(), Unchoke())
        await trio.sleep(1)
        with trio.move_on_after(1):
            while True:
                await puppet.listen()
        asked = [message for message in puppet.heard if isinstance(message, Request)]
        assert len(asked) == len(set(asked))


async def test_a_peer_that_rejects_everything_is_not_asked_in_a_tight_loop_but_is_asked_again(fabric: Fabric) -> None:
    data = content(400_000)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.2") as leech:
        download = await leech.add(metainfo, storage=using(MemoryStorage(metainfo)))
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.2", metainfo.info_hash)
        await puppet.say(HaveAll(), Unchoke())
        refused = 0
        with trio.move_on_after(60):
            while True:
                for message in await puppet.listen():
                    if isinstance(message, Request):
                        refused += 1
                        await puppet.say(Reject(message.block))
        assert 20 < refused < 100
        with trio.fail_after(60):
            await _serve(puppet, metainfo, data, until=download.completed)


async def test_blocks_nobody_asked_for_earn_a_peer_nothing(fabric: Fabric) -> None:
    data = content(400_000)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.2") as leech:
        download = await leech.add(metainfo, storage=using(MemoryStorage(metainfo)))
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.2", metainfo.info_hash)
        await puppet.say(*[Block(0, 0, data[:16384])] * 20)
        await trio.sleep(1)
        assert (download.progress().download_rate, download.progress().downloaded) == (0, 0)


async def test_a_repeated_claim_to_have_the_metadata_is_noted_once(fabric: Fabric) -> None:
    metainfo = torrent_of(content(100_000))
    events: list[Event] = []
    async with client_at(fabric, "10.0.0.2", observe=events.append) as client:
        await client.add(str(metainfo.info_hash), storage=using(MemoryStorage(metainfo)))
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.2", metainfo.info_hash)
        for size in range(100, 200):
            await puppet.introduce(metadata_size=size)
        await trio.sleep(1)
    assert [event.length for event in events if isinstance(event, MetadataClaimed)] == [100]


@pytest.mark.parametrize("claim", [HaveNone(), HaveAll()], ids=["HaveNone", "HaveAll"])
@pytest.mark.parametrize("only_metadata", [True, False])
async def test_a_crowd_that_gives_nothing_makes_way_for_somebody_who_does(
    fabric: Fabric, claim: Message, only_metadata: bool
) -> None:
    """More of them than there are places to dial, heard of first, never silent, and interested in us."""
    data = content(100_000)
    metainfo = torrent_of(data)

    async def chat(host: Host) -> None:
        listener = await host.listen(Endpoint(host.ip, PORT))
        while True:
            stream = await listener.accept()
            with suppress(NetworkError):
                await stream.send_all(_greeting(metainfo.info_hash) + encode(claim))
                while True:
                    await stream.send_all(encode(Interested()))
                    await trio.sleep(10)

    async with (
        client_at(fabric, "10.0.0.1") as seed,
        client_at(fabric, "10.0.0.2") as client,
        trio.open_nursery() as nursery,
    ):
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        crowd = [fabric.host(f"10.0.1.{n}") for n in range(50)]
        for host in crowd:
            nursery.start_soon(chat, host)
        peers = [(host.ip, PORT) for host in crowd] + [("10.0.0.1", PORT)]
        with trio.fail_after(300 if only_metadata else 900):
            if only_metadata:
                await client.fetch_metadata(str(metainfo.info_hash), peers=peers)
            else:
                download = await client.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=peers)
                await download.completed()
        nursery.cancel_scope.cancel()


async def test_a_peer_that_calls_again_finds_its_own_place_in_a_full_torrent(fabric: Fabric) -> None:
    """It has the larger id, so that its call replaces our connection to it."""
    metainfo = torrent_of(content(100_000))
    host = fabric.host("10.0.1.1")
    listener = await host.listen(Endpoint("10.0.1.1", PORT))
    large = Handshake(metainfo.info_hash, PeerId(b"~" * 20), extensions=True, fast=True).encode()
    async with client_at(fabric, "10.0.0.2", places=Places(per_torrent=1)) as client:
        download = await client.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.1.1", PORT)])
        dialled = await listener.accept()
        await dialled.send_all(large)
        await trio.sleep(1)
        caller = Puppet(await host.connect(Endpoint("10.0.0.2", PORT)))
        await caller.stream.send_all(large)
        with trio.fail_after(5):
            await caller.next(HaveNone)
            await _until_closed(dialled)
        assert download.progress().peers == 1


async def test_peers_stay_while_what_is_on_disk_is_looked_at_for_long(fabric: Fabric) -> None:
    data = content(100_000)
    metainfo = torrent_of(data)

    class SlowToCheck(MemoryStorage):
        async def stats(self):
            if trio.current_time() < 2000:
                await trio.sleep_until(2000)
            return await super().stats()

    async with client_at(fabric, "10.0.0.2") as client, trio.open_nursery() as nursery:
        download = await client.add(metainfo, storage=using(SlowToCheck(metainfo)))
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.2", metainfo.info_hash)
        nursery.start_soon(_keep_alive, puppet)
        await puppet.say(HaveAll(), Unchoke())
        await trio.sleep(1900)
        assert download.progress().peers == 1
        with trio.fail_after(200):
            await _serve(puppet, metainfo, data, until=download.completed)
        nursery.cancel_scope.cancel()


async def test_somebody_who_calls_while_a_download_is_packing_up_is_turned_away(fabric: Fabric) -> None:
    metainfo = torrent_of(content(100_000))

    class SlowToClose(MemoryStorage):
        async def flush(self):
            await trio.sleep(5)

    async with client_at(fabric, "10.0.0.2") as client, trio.open_nursery() as nursery:
        download = await client.add(metainfo, storage=using(SlowToClose(metainfo)))
        await trio.sleep(1)
        nursery.start_soon(download.remove)
        await trio.sleep(1)
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.2", metainfo.info_hash)
        with trio.fail_after(10):
            await _until_closed(puppet.stream)


async def _keep_alive(puppet: Puppet) -> None:
    while True:
        await trio.sleep(100)
        await puppet.say(KeepAlive())


async def _serve(puppet: Puppet, metainfo, data: bytes, *, until) -> None:
    """Answer every request rightly, until the download is complete."""

    async def answer() -> None:
        while not puppet.ended:
            for message in await puppet.listen():
                if isinstance(message, Request):
                    piece, begin, length = message.block
                    at = piece * metainfo.piece_length + begin
                    await puppet.say(Block(piece, begin, data[at : at + length]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        await until()
        nursery.cancel_scope.cancel()
