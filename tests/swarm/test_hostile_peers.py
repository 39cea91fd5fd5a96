"""Peers that break rules, or keep to them in the worst possible way: the client and the honest peers go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.events import Event, MetadataClaimed, PeerBanned, PeerClosed, PeerFailed, PieceFailed
from magnetite.ids import InfoHash, PeerId
from magnetite.simnet import Fabric, Host, Link
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.places import Places
from magnetite.torrent.metainfo import Metainfo
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
    BLOCK_LENGTH,
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
from magnetite.wire.mse.policy import Encryption
from tests.swarm.swarms import PORT, Puppet, bytes_of, client_at, content, dial, stored, torrent_of, using
from tests.swarm.test_exchange import Torrent, asked

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
        client_at(fabric, "10.0.0.2", encryption=Encryption.OFF) as client,
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


# -- floods, each with an end or a bound -----------------------------------------------------------------------------

METAINFO = torrent_of(content(400_000))
BLOCK = BlockRequest(0, 0, 16384)

ENDLESS = {
    "keep-alives": ([KeepAlive()], Reason.TOO_MANY_MESSAGES),
    "HAVE": ([Have(3)], Reason.TOO_MANY_MESSAGES),
    "interested or not": ([Interested(), NotInterested()], Reason.TOO_MANY_MESSAGES),
    "choke and unchoke": ([Choke(), Unchoke()], Reason.TOO_MANY_MESSAGES),
    "cancels of nothing": ([Cancel(BLOCK)], Reason.TOO_MANY_MESSAGES),
    "rejects of nothing": ([Reject(BLOCK)], Reason.TOO_MANY_MESSAGES),
    "suggestions": ([Suggest(3)], Reason.TOO_MANY_MESSAGES),
    "allowed-fast": ([AllowedFast(3)], Reason.TOO_MANY_MESSAGES),
    "ports": ([Port(4)], Reason.TOO_MANY_MESSAGES),
    "blocks nobody asked for": ([Block(0, 0, b"x")], Reason.TOO_MANY_MESSAGES),
    "empty blocks": ([Block(0, 0, b"")], Reason.TOO_MANY_MESSAGES),
    "unknown extended messages": ([Extended(77, b"x")], Reason.TOO_MANY_MESSAGES),
    "long unknown extended messages": ([Extended(77, bytes(1 << 20))], Reason.TOO_MANY_MESSAGES),
    "messages of an unknown kind": ([bytes([0, 0, 0, 1, 99])], Reason.TOO_MANY_MESSAGES),
    "long messages of an unknown kind": ([bytes([0, 1, 0, 1, 99]) + bytes(1 << 16)], Reason.TOO_MANY_MESSAGES),
    "extended handshakes": ([Extended(HANDSHAKE_ID, b"d1:md11:ut_metadatai3eee")], Reason.TOO_MANY_MESSAGES),
    "metadata nobody asked for": ([Extended(1, encode_metadata(MetadataData(0, 9, b"x")))], Reason.TOO_MANY_MESSAGES),
    "metadata requests": ([Extended(1, encode_metadata(MetadataRequest(1)))], Reason.TOO_MANY_REQUESTS),
    "requests that are refused": ([Request(BLOCK)], Reason.TOO_MANY_REQUESTS),
    "a request that is too long": ([Request(BlockRequest(0, 0, 1 << 18))], Reason.PROTOCOL_ERROR),
}
BEYOND = {
    "a HAVE beyond the end": ([HaveNone(), Have(13)], Reason.PROTOCOL_ERROR),
    "a request beyond the end": ([Request(BlockRequest(13, 0, 16384))], Reason.PROTOCOL_ERROR),
}


@pytest.mark.parametrize(("messages", "reason"), [*ENDLESS.values(), *BEYOND.values()], ids=[*ENDLESS, *BEYOND])
async def test_who_repeats_itself_for_ever_is_parted_with_and_the_reason_is_told(
    fabric: Fabric, messages: list[Message | bytes], reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert await _reasons_for(fabric, METAINFO, messages) == [reason]
    assert reason.value in caplog.text


@pytest.mark.parametrize(("messages", "reason"), ENDLESS.values(), ids=ENDLESS)
async def test_so_it_is_while_the_metadata_is_not_known(
    fabric: Fabric, messages: list[Message | bytes], reason: Reason
) -> None:
    assert await _reasons_for(fabric, str(METAINFO.info_hash), messages) == [reason]


async def _reasons_for(fabric: Fabric, torrent: Metainfo | str, messages: list[Message | bytes]) -> list[Reason]:
    """Why a client that downloads METAINFO parts with whoever says these things again and again."""
    events: list[Event] = []
    async with client_at(fabric, "10.0.0.1", observe=events.append) as client:
        await client.add(torrent, storage=using(MemoryStorage(METAINFO)))
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.1", METAINFO.info_hash)
        await puppet.listen()  # the handshake is over
        with trio.fail_after(100):
            said = b"".join(each if isinstance(each, bytes) else encode(each) for each in messages)
            assert await _repeat(puppet, said) < 20 << 20
    return [event.reason for event in events if isinstance(event, PeerClosed)]


async def _repeat(puppet: Puppet, said: bytes) -> int:
    """Say it until the connection is closed; how many bytes that took."""
    batch, sent = said * max(1, 4000 // len(said)), 0
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, puppet, nursery.cancel_scope)
            while True:
                await puppet.stream.send_all(batch)
                sent += len(batch)
                await trio.sleep(0.01)
    except* NetworkError:
        pass
    return sent


async def test_an_honest_seed_and_an_honest_leech_are_never_taken_for_a_flood(fabric: Fabric) -> None:
    """Small pieces, so that there is more to say than there may be nonsense: 12,000 blocks, and as many HAVE."""
    data = content(12_000 * 64)
    metainfo = torrent_of(data, piece_length=64)
    events: list[Event] = []
    async with (
        client_at(fabric, "10.0.0.1", observe=events.append) as seed,
        client_at(fabric, "10.0.0.2", observe=events.append) as leech,
    ):
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)))).completed()
        download = await leech.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.0.1", PORT)])
        with trio.fail_after(60):
            await download.completed()
    assert not [event for event in events if getattr(event, "reason", None) is Reason.TOO_MANY_MESSAGES]


@asynccontextmanager
async def unchoked(fabric: Fabric, events: list[Event]) -> AsyncIterator[Puppet]:
    """A caller that a seed, whose events these are, lets download."""
    data = content(400_000)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1", observe=events.append) as seed:
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)))).completed()
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.1", metainfo.info_hash)
        await puppet.say(HaveNone(), Interested())
        await puppet.next(Unchoke)
        yield puppet


async def test_requests_taken_back_again_and_again_are_served_to_nobody_and_end(fabric: Fabric) -> None:
    events: list[Event] = []
    async with unchoked(fabric, events) as puppet:
        with trio.fail_after(60):
            await _repeat(puppet, encode(Request(BLOCK)) + encode(Cancel(BLOCK)))
    (closed,) = [event for event in events if isinstance(event, PeerClosed)]
    assert closed.reason is Reason.TOO_MANY_MESSAGES
    assert closed.uploaded <= 1 << 20


async def test_more_requests_than_we_keep_end_it(fabric: Fabric) -> None:
    events: list[Event] = []
    async with unchoked(fabric, events) as puppet:
        with trio.fail_after(60), suppress(NetworkError):
            for begin in range(12_000):
                await puppet.say(Request(BlockRequest(begin % 12, begin // 12, 16384)))
            await _until_closed(puppet.stream)
    (closed,) = [event for event in events if isinstance(event, PeerClosed)]
    assert closed.reason is Reason.TOO_MANY_REQUESTS


async def test_a_peer_that_asks_and_never_reads_is_parted_with_and_holds_little_meanwhile(fabric: Fabric) -> None:
    data = content(4 << 20)
    metainfo = torrent_of(data, piece_length=1 << 18)
    events: list[Event] = []
    async with client_at(fabric, "10.0.0.1", observe=events.append) as seed:
        download = await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        await download.completed()
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.1", metainfo.info_hash)
        await puppet.say(HaveNone(), Interested())
        await puppet.next(Unchoke)
        await puppet.say(*(Request(BlockRequest(piece, 0, 1 << 17)) for piece in range(16)))
        with trio.move_on_after(600):
            while download.progress().peers:
                await trio.sleep(20)
                with suppress(NetworkError):
                    await puppet.say(KeepAlive())
        assert not download.progress().peers
    (closed,) = [event for event in events if isinstance(event, PeerClosed)]
    assert closed.reason is Reason.IDLE
    assert closed.uploaded < 1 << 20


async def test_a_message_longer_than_any_may_be_ends_it_before_it_is_there(fabric: Fabric) -> None:
    too_long = [
        (0x7FFFFFFF, Block.ID),
        ((128 << 10) + 10, Block.ID),
        ((1 << 20) + 3, Extended.ID),
        (2, Unchoke.ID),
        (4, BitfieldMessage.ID),
        ((128 << 10) + 2, 99),
    ]
    events: list[Event] = []
    async with client_at(fabric, "10.0.0.1", observe=events.append) as client:
        await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        for number, (length, kind) in enumerate(too_long):
            puppet = await dial(fabric.host(f"10.0.1.{number}"), "10.0.0.1", METAINFO.info_hash)
            await puppet.next(HaveNone)
            await puppet.stream.send_all(length.to_bytes(4, "big") + bytes([kind]))
            with trio.fail_after(1):
                await _until_closed(puppet.stream)
    reasons = [event.reason for event in events if isinstance(event, PeerClosed)]
    assert reasons == [Reason.PROTOCOL_ERROR] * len(too_long)


async def test_a_peer_we_dial_whose_handshake_drips_is_given_up_after_ten_seconds(fabric: Fabric) -> None:
    metainfo = torrent_of(content(100_000))
    listener = await fabric.host("10.0.1.1").listen(Endpoint("10.0.1.1", PORT))
    events: list[Event] = []
    async with client_at(fabric, "10.0.0.1", observe=events.append) as client:
        await client.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.1.1", PORT)])
        stream = await listener.accept()
        started = trio.current_time()
        with suppress(NetworkError):
            for byte in _greeting(metainfo.info_hash):
                await stream.send_all(bytes([byte]))
                await trio.sleep(1)
        assert 10 <= trio.current_time() - started < 13
    assert [event.reason for event in events if isinstance(event, PeerFailed)] == [Reason.HANDSHAKE_TIMEOUT]


# -- liars -----------------------------------------------------------------------------------------------------------

PIECE = 8 * BLOCK_LENGTH
BIG = content(12 * PIECE, seed=3)
BIG_METAINFO = torrent_of(BIG, piece_length=PIECE)


async def test_one_wrong_block_among_many_peers_is_enough_to_know_who_sent_it(fabric: Fabric) -> None:
    """It lies once, and is honest from then on: nothing but the comparison tells."""
    events: list[Event] = []
    storage = MemoryStorage(BIG_METAINFO)
    async with client_at(fabric, "10.0.0.1", observe=events.append) as client, trio.open_nursery() as nursery:
        download = await client.add(BIG_METAINFO, storage=using(storage))
        for number in range(6):
            host = fabric.host(f"10.0.1.{number}", Link(up=100_000, down=100_000))
            nursery.start_soon(_give, await dial(host, "10.0.0.1", BIG_METAINFO.info_hash), 1 if number == 3 else 0)
        with trio.fail_after(200):
            await download.completed()
        nursery.cancel_scope.cancel()
    banned = [(event.endpoint.ip, event.reason) for event in events if isinstance(event, PeerBanned)]
    assert banned == [("10.0.1.3", Reason.BAD_PIECE)]
    assert await bytes_of(storage, BIG_METAINFO) == BIG
    assert len([event for event in events if isinstance(event, PieceFailed)]) == 1


async def _give(puppet: Puppet, lies: int) -> None:
    """A seed, the first `lies` blocks of which are wrong."""
    with suppress(NetworkError):
        await puppet.say(HaveAll(), Unchoke())
        while not puppet.ended:
            for message in await puppet.listen():
                if isinstance(message, Request):
                    piece, begin, length = message.block
                    at = piece * PIECE + begin
                    await puppet.say(Block(piece, begin, bytes(length) if lies > 0 else BIG[at : at + length]))
                    lies -= 1


def test_the_newest_suggestions_decide_among_equals_and_only_a_few_are_kept() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    torrent.hear(peer, [Suggest(piece) for piece in range(40)] + [HaveAll()])
    peer.pipeline.limit(2)
    torrent.hear(peer, [Unchoke()])
    book = torrent.exchange.book
    assert book is not None
    assert list(book.begun._suggested[peer]) == list(range(8, 40))
    assert {request.block.piece for request in asked(peer)} <= set(range(8, 40))
    torrent.exchange.leave(peer)
    assert not book.begun._suggested


def test_a_rarer_piece_comes_before_a_suggested_one() -> None:
    torrent = Torrent()
    assert torrent.exchange.book is not None
    torrent.exchange.book.picker._begun = 9  # type: ignore[attr-defined]  # past the first pieces, begun by chance
    common, peer = torrent.peer(1), torrent.peer(2)
    torrent.hear(common, [Have(piece) for piece in range(39)])
    peer.pipeline.limit(2)
    torrent.hear(peer, [HaveAll(), Suggest(4), Unchoke()])
    assert {request.block.piece for request in asked(peer)} == {39}
    torrent.exchange.leave(peer)
    torrent.hear(again := torrent.peer(3), [Have(2), Have(4), Suggest(4)])
    again.pipeline.limit(2)
    torrent.hear(again, [Unchoke()])
    assert {request.block.piece for request in asked(again)} == {4}


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
