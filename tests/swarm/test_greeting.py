"""Both roles of the handshake with every policy, and callers that are slow, hostile or of another protocol."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason, WireError
from magnetite.events import Event, PeerConnected, PeerFailed, WayFailed
from magnetite.ids import PeerId
from magnetite.net.base import ByteStream
from magnetite.simnet import Fabric, Host
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.greeting import Security, welcome
from magnetite.ways import Carrier, Cipher
from magnetite.wire.handshake import PROTOCOL, Handshake
from magnetite.wire.mse.initiator import Initiator
from magnetite.wire.mse.key_exchange import KEY_LENGTH, KeyPair
from magnetite.wire.mse.policy import Encryption, Method
from tests.swarm.swarms import PORT, bytes_of, client_at, content, stored, torrent_of, using

DATA = content(100_000)
METAINFO = torrent_of(DATA)
OFF, ALLOW, PREFER, REQUIRE = Encryption

# By the policies of who dials and who is dialled.
EXPECTED = {
    **dict.fromkeys(product(Encryption, Encryption), Cipher.PLAIN),
    **dict.fromkeys([(OFF, REQUIRE), (REQUIRE, OFF)], None),
    **dict.fromkeys(product([PREFER, REQUIRE], [ALLOW, PREFER, REQUIRE]), Cipher.RC4),
    (ALLOW, REQUIRE): Cipher.RC4,
}


@pytest.mark.parametrize(("dialling", "dialled"), EXPECTED)
async def test_two_clients_find_what_both_allow_or_nothing(
    fabric: Fabric, dialling: Encryption, dialled: Encryption
) -> None:
    storage, events = MemoryStorage(METAINFO), []
    async with (
        client_at(fabric, "10.0.0.1", encryption=dialled) as seed,
        client_at(fabric, "10.0.0.2", encryption=dialling, observe=events.append) as client,
    ):
        await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)))
        download = await client.add(METAINFO, storage=using(storage), peers=[("10.0.0.1", PORT)])
        with trio.move_on_after(5):
            await download.completed()
            assert await bytes_of(storage, METAINFO) == DATA
    found = [(event.carrier, event.cipher) for event in events if isinstance(event, PeerConnected)]
    expected = EXPECTED[dialling, dialled]
    assert found == ([(Carrier.TCP, expected)] if expected else [])


async def test_a_second_dial_begins_with_what_worked_in_the_first(fabric: Fabric) -> None:
    listener = await fabric.host("10.0.0.1").listen(Endpoint("10.0.0.1", PORT))
    ours = Handshake(METAINFO.info_hash, PeerId(b"-PU0001-puppetpuppet"))
    calls: list[Cipher | Reason] = []
    async with client_at(fabric, "10.0.0.2") as client:
        await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)), peers=[("10.0.0.1", PORT)])
        while len(calls) < 3:
            stream = await listener.accept()
            try:
                security = Security(REQUIRE, Random(1))
                connection = await welcome(stream, Carrier.TCP, [ours.info_hash], lambda named: ours, security)
            except WireError as error:
                calls.append(error.reason)
            else:
                calls.append(connection.cipher)
                await stream.aclose()
    assert calls == [Reason.NOT_ENCRYPTED, Cipher.RC4, Cipher.RC4]


async def test_a_peer_that_hangs_up_on_both_kinds_of_handshake_is_called_twice_and_then_left(fabric: Fabric) -> None:
    listener = await fabric.host("10.0.0.1").listen(Endpoint("10.0.0.1", PORT))
    events: list[Event] = []
    async with client_at(fabric, "10.0.0.2", observe=events.append, utp=False) as client:
        await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)), peers=[("10.0.0.1", PORT)])
        with trio.move_on_after(30):
            while True:
                await (await listener.accept()).aclose()
    failed = [event for event in events if isinstance(event, PeerFailed | WayFailed)]
    assert [type(event) for event in failed] == [WayFailed, WayFailed, PeerFailed]
    assert [event.encrypted for event in failed[:2]] == [False, True]
    assert failed[2].time < 2


# -- callers that are up to no good ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [ALLOW, PREFER, REQUIRE])
async def test_an_encrypted_handshake_that_drips_ends_after_ten_seconds(fabric: Fabric, policy: Encryption) -> None:
    async with client_at(fabric, "10.0.0.1", encryption=policy) as client:
        await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        stream = await fabric.host("10.0.0.2").connect(Endpoint("10.0.0.1", PORT))
        await stream.send_all(KeyPair(Random(1)).public)
        started = trio.current_time()
        with suppress(NetworkError):
            while True:
                await stream.send_all(b"x")
                await trio.sleep(0.1)
        assert 9.5 <= trio.current_time() - started < 11


async def test_noise_is_answered_with_a_key_and_cut_off_where_no_handshake_can_begin_any_more(fabric: Fabric) -> None:
    async with client_at(fabric, "10.0.0.1") as client:
        await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        stream = await fabric.host("10.0.0.2").connect(Endpoint("10.0.0.1", PORT))
        await stream.send_all(Random(1).randbytes(KEY_LENGTH))
        assert KEY_LENGTH <= await stream.receive_into(bytearray(4096)) <= KEY_LENGTH + 512
        await stream.send_all(Random(2).randbytes(512 + 20))
        assert await _read_all(stream) == 0
        assert trio.current_time() < 2


async def test_without_encryption_a_stranger_is_turned_away_at_its_first_wrong_byte(fabric: Fabric) -> None:
    async with client_at(fabric, "10.0.0.1", encryption=OFF) as client:
        await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        stream = await fabric.host("10.0.0.2").connect(Endpoint("10.0.0.1", PORT))
        await stream.send_all(b"\x13Bot")
        assert await _read_all(stream) == 0
        assert trio.current_time() < 1


async def test_a_caller_that_names_another_torrent_inside_than_outside_is_turned_away(fabric: Fabric) -> None:
    other = torrent_of(content(1000, seed=9))
    async with client_at(fabric, "10.0.0.1") as client:
        for metainfo in (METAINFO, other):
            await client.add(metainfo, storage=using(MemoryStorage(metainfo)))
        stream = await fabric.host("10.0.0.2").connect(Endpoint("10.0.0.1", PORT))
        inside = Handshake(other.info_hash, PeerId(b"-PU0001-puppetpuppet")).encode()
        caller = Initiator(METAINFO.info_hash, inside, Method.RC4, Random(1))
        await stream.send_all(caller.opening)
        buffer = bytearray(4096)
        while (count := await stream.receive_into(buffer)) and caller.agreement is None:
            if answer := caller.received(bytes(buffer[:count])):
                await stream.send_all(answer)
        assert caller.agreement
        assert await _read_all(stream) == 0


async def test_a_key_that_begins_like_a_handshake_is_a_key(fabric: Fabric) -> None:
    """One in 256 begins with the length of the protocol's name."""
    async with client_at(fabric, "10.0.0.1") as client:
        await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        stream = await fabric.host("10.0.0.2").connect(Endpoint("10.0.0.1", PORT))
        await stream.send_all(PROTOCOL[:10] + bytes(KEY_LENGTH - 10))
        assert await stream.receive_into(bytearray(4096)) >= KEY_LENGTH


async def _read_all(stream: ByteStream) -> int:
    heard, buffer = 0, bytearray(4096)
    while count := await stream.receive_into(buffer):
        heard += count
    return heard


# -- over uTP ----------------------------------------------------------------------------------------------------------


class WithoutTcp:
    """A host that can be called by TCP, and cannot call."""

    def __init__(self, host: Host) -> None:
        self.open_udp, self.listen, self.resolve = host.open_udp, host.listen, host.resolve

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> ByteStream:
        raise NetworkError(reason=Reason.UNREACHABLE)


@pytest.mark.parametrize(("dialled", "cipher"), [(OFF, Cipher.PLAIN), (REQUIRE, Cipher.RC4)])
async def test_where_tcp_leads_nowhere_it_is_utp_plain_or_encrypted(
    fabric: Fabric, dialled: Encryption, cipher: Cipher
) -> None:
    storage, ours, theirs = MemoryStorage(METAINFO), [], []
    network = WithoutTcp(fabric.host("10.0.0.2"))
    async with (
        client_at(fabric, "10.0.0.1", encryption=dialled, observe=theirs.append) as seed,
        client_at(network, "10.0.0.2", observe=ours.append) as client,
    ):
        await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)))
        download = await client.add(METAINFO, storage=using(storage), peers=[("10.0.0.1", PORT)])
        with trio.fail_after(20):
            await download.completed()
        assert f"1 by uTP, {cipher.value}" in " ".join(download.explain())
    for events in (ours, theirs):
        assert [(e.carrier, e.cipher) for e in events if isinstance(e, PeerConnected)] == [(Carrier.UTP, cipher)]
