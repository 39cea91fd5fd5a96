"""What the seam promises, held against both of its implementations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.base import BATCH, ByteStream, Datagram, Network
from magnetite.net.real import RealNetwork
from magnetite.simnet import Fabric
from tests.net.utp.networks import UtpNetwork


@dataclass
class Pair:
    """Two hosts that reach each other; on real sockets, this machine twice."""

    client: Network
    server: Network
    client_ip: str
    server_ip: str


REAL = [pytest.param(name, marks=pytest.mark.real_clock) for name in ("real", "uTP on real")]


@pytest.fixture(params=["simnet", "uTP on simnet", *REAL])
def pair(request: pytest.FixtureRequest, fabric: Fabric) -> Pair:
    if request.param.endswith("real"):
        pair = Pair(RealNetwork(), RealNetwork(), "127.0.0.1", "127.0.0.1")
    else:
        fabric.names["localhost"] = ["127.0.0.1"]
        pair = Pair(fabric.host("10.0.0.1"), fabric.host("10.0.0.2"), "10.0.0.1", "10.0.0.2")
    if request.param.startswith("uTP"):
        pair.client = UtpNetwork(pair.client, pair.client_ip)
        pair.server = UtpNetwork(pair.server, pair.server_ip)
    return pair


@asynccontextmanager
async def connection(pair: Pair) -> AsyncIterator[tuple[ByteStream, ByteStream]]:
    """Both ends of a stream: the client's and the server's."""
    listener = await pair.server.listen(Endpoint(pair.server_ip, 0))
    client = await pair.client.connect(listener.local)
    server = await listener.accept()
    try:
        yield client, server
    finally:
        for resource in (client, server, listener):
            await resource.aclose()


async def read_exactly(stream: ByteStream, length: int) -> bytes:
    buffer = bytearray(length)
    filled = 0
    while filled < length:
        received = await stream.receive_into(memoryview(buffer)[filled:])
        assert received, f"the stream ended after {filled} bytes"
        filled += received
    return bytes(buffer)


async def send_for_ever(stream: ByteStream) -> None:
    while True:
        await stream.send_all(b"anybody there?")
        await trio.sleep(0.01)


async def test_a_datagram_carries_its_senders_address(pair: Pair) -> None:
    one = await pair.client.open_udp(Endpoint(pair.client_ip, 0))
    other = await pair.server.open_udp(Endpoint(pair.server_ip, 0))
    assert one.send(b"ping", other.local)
    assert await other.receive_batch() == [(b"ping", one.local)]
    await one.aclose()
    await other.aclose()


async def test_a_batch_holds_what_is_there_up_to_its_limit_and_in_order(pair: Pair) -> None:
    one = await pair.client.open_udp(Endpoint(pair.client_ip, 0))
    other = await pair.server.open_udp(Endpoint(pair.server_ip, 0))
    sent = [bytes([index]) for index in range(BATCH + 6)]
    assert all(one.send(data, other.local) for data in sent)
    await trio.sleep(0.05)
    batches = [await other.receive_batch(), await other.receive_batch()]
    assert [len(batch) for batch in batches] == [BATCH, 6]
    assert [datagram.data for batch in batches for datagram in batch] == sent
    await one.aclose()
    await other.aclose()


async def test_who_is_fed_gets_what_was_there_and_what_comes_and_after_that_nothing_is_lost(pair: Pair) -> None:
    one = await pair.client.open_udp(Endpoint(pair.client_ip, 0))
    other = await pair.server.open_udp(Endpoint(pair.server_ip, 0))
    taken: list[Datagram] = []
    one.send(b"early", other.local)
    await trio.sleep(0.05)
    with trio.CancelScope() as feeding:
        feeding.cancel()
        await other.feed(taken.extend)
    assert taken == []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.feed, taken.extend)
        await trio.sleep(0.05)
        one.send(b"on time", other.local)
        await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    assert taken == [(b"early", one.local), (b"on time", one.local)]
    one.send(b"late", other.local)
    assert await other.receive_batch() == [(b"late", one.local)]
    await one.aclose()
    await other.aclose()


async def test_a_port_that_is_taken_is_unavailable(pair: Pair) -> None:
    udp = await pair.server.open_udp(Endpoint(pair.server_ip, 0))
    tcp = await pair.server.listen(Endpoint(pair.server_ip, 0))
    with pytest.raises(NetworkError) as refused:
        await pair.server.open_udp(udp.local)
    assert refused.value.reason is Reason.ADDRESS_UNAVAILABLE
    with pytest.raises(NetworkError) as refused:
        await pair.server.listen(tcp.local)
    assert refused.value.reason is Reason.ADDRESS_UNAVAILABLE
    await udp.aclose()
    await tcp.aclose()
    again = await pair.server.open_udp(udp.local)  # and free once it is closed
    await again.aclose()


async def test_an_address_of_another_machine_is_unavailable(pair: Pair) -> None:
    for opening in (pair.server.open_udp, pair.server.listen):
        with pytest.raises(NetworkError) as refused:
            await opening(Endpoint("192.0.2.1", 0))
        assert refused.value.reason is Reason.ADDRESS_UNAVAILABLE


async def test_sending_to_the_other_family_is_refused_and_does_not_raise(pair: Pair) -> None:
    udp = await pair.client.open_udp(Endpoint(pair.client_ip, 0))
    assert not udp.send(b"x", Endpoint("::1", 6881))
    await udp.aclose()
    assert not udp.send(b"x", Endpoint(pair.server_ip, 6881)), "nor on a closed socket"


async def test_both_ends_of_a_stream_know_each_other(pair: Pair) -> None:
    async with connection(pair) as (client, server):
        assert (client.local, client.remote) == (server.remote, server.local)
        assert client.local.ip == pair.client_ip


async def test_a_stream_can_be_bound_to_a_local_address(pair: Pair) -> None:
    listener = await pair.server.listen(Endpoint(pair.server_ip, 0))
    client = await pair.client.connect(listener.local, pair.client_ip)
    assert client.local.ip == pair.client_ip
    with pytest.raises(NetworkError) as refused:
        await pair.client.connect(listener.local, "192.0.2.1")
    assert refused.value.reason is Reason.UNREACHABLE
    await client.aclose()
    await listener.aclose()


async def test_gathered_buffers_arrive_in_order_whatever_their_number_and_size(pair: Pair) -> None:
    pieces = [bytes([index % 256]) * (index % 97) for index in range(3000)] + [bytes(300_000), b""]
    buffers = [bytearray(piece) if index % 2 else memoryview(piece) for index, piece in enumerate(pieces)]
    async with connection(pair) as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, *buffers)
        whole = b"".join(pieces)
        assert await read_exactly(server, len(whole)) == whole


async def test_nothing_but_empty_buffers_sends_nothing(pair: Pair) -> None:
    async with connection(pair) as (client, server):
        await client.send_all()
        await client.send_all(b"", b"")
        await client.send_all(b"x")
        assert await read_exactly(server, 1) == b"x"


async def test_a_buffer_may_be_reused_once_it_is_sent(pair: Pair) -> None:
    async with connection(pair) as (client, server):
        buffer = bytearray(b"first")
        await client.send_all(buffer)
        buffer[:] = b"again"
        assert await read_exactly(server, 5) == b"first"


async def test_a_sender_waits_for_a_reader_that_does_not_read(pair: Pair) -> None:
    data = bytes(32 << 20)  # more than any kernel buffers on loopback
    async with connection(pair) as (client, server), trio.open_nursery() as nursery:
        done = trio.Event()

        async def send() -> None:
            await client.send_all(data)
            done.set()

        nursery.start_soon(send)
        await trio.sleep(0.2)
        assert not done.is_set()
        assert await read_exactly(server, len(data)) == data
        await done.wait()


async def test_a_reader_gets_everything_and_then_the_end_when_the_other_side_closes(pair: Pair) -> None:
    async with connection(pair) as (client, server):
        await client.send_all(b"last words")
        await client.aclose()
        assert await read_exactly(server, 10) == b"last words"
        assert await server.receive_into(bytearray(8)) == 0
        assert await server.receive_into(bytearray(8)) == 0, "and again"


async def test_sending_to_a_side_that_closed_ends_in_connection_lost(pair: Pair) -> None:
    async with connection(pair) as (client, server):
        await client.aclose()
        with pytest.raises(NetworkError) as broken:
            await send_for_ever(server)
        assert broken.value.reason is Reason.CONNECTION_LOST


async def test_closing_wakes_whoever_waits_on_this_side(pair: Pair) -> None:
    async def fails(operation: object, *args: object) -> None:
        with pytest.raises(NetworkError) as broken:
            await operation(*args)  # type: ignore[operator]
        assert broken.value.reason is Reason.CONNECTION_LOST

    def ignore(_: list[Datagram]) -> None: ...

    udp = await pair.server.open_udp(Endpoint(pair.server_ip, 0))
    fed = await pair.server.open_udp(Endpoint(pair.server_ip, 0))
    listener = await pair.server.listen(Endpoint(pair.server_ip, 0))
    async with connection(pair) as (client, _), trio.open_nursery() as nursery:
        nursery.start_soon(fails, client.receive_into, bytearray(8))
        nursery.start_soon(fails, client.send_all, bytes(32 << 20))
        nursery.start_soon(fails, listener.accept)
        nursery.start_soon(fails, udp.receive_batch)
        nursery.start_soon(fails, fed.feed, ignore)
        await trio.sleep(0.05)
        for resource in (client, listener, udp, fed, client):
            await resource.aclose()
        await fails(client.receive_into, bytearray(8))
        await fails(client.send_all, b"x")
        await fails(listener.accept)
        await fails(udp.receive_batch)
        await fails(fed.feed, ignore)


async def test_closing_is_possible_within_a_cancelled_scope(pair: Pair) -> None:
    async with connection(pair) as (client, server):
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.aclose()
        assert await server.receive_into(bytearray(8)) == 0


async def test_a_cancelled_receive_loses_nothing(pair: Pair) -> None:
    async with connection(pair) as (client, server):
        with trio.move_on_after(0.01):
            await server.receive_into(bytearray(8))
        await client.send_all(b"still here")
        await trio.sleep(0.05)
        with trio.CancelScope() as scope:
            scope.cancel()
            await server.receive_into(bytearray(8))
        assert scope.cancelled_caught, "receiving is a checkpoint even when there is something"
        assert await read_exactly(server, 10) == b"still here"


async def test_a_cancelled_batch_loses_nothing(pair: Pair) -> None:
    one = await pair.client.open_udp(Endpoint(pair.client_ip, 0))
    other = await pair.server.open_udp(Endpoint(pair.server_ip, 0))
    one.send(b"still here", other.local)
    await trio.sleep(0.05)
    with trio.CancelScope() as scope:
        scope.cancel()
        await other.receive_batch()
    assert scope.cancelled_caught
    assert await other.receive_batch() == [(b"still here", one.local)]
    await one.aclose()
    await other.aclose()


async def test_a_cancelled_send_stops(pair: Pair) -> None:
    async with connection(pair) as (client, _):
        with trio.move_on_after(0.1) as scope:
            await client.send_all(bytes(32 << 20))
        assert scope.cancelled_caught


async def test_a_port_nobody_listens_on_refuses(pair: Pair) -> None:
    listener = await pair.server.listen(Endpoint(pair.server_ip, 0))
    await listener.aclose()
    with pytest.raises(NetworkError) as refused:
        await pair.client.connect(listener.local)
    assert refused.value.reason is Reason.REFUSED


async def test_a_literal_address_resolves_to_itself_and_an_unknown_name_to_nothing(pair: Pair) -> None:
    assert await pair.client.resolve("192.0.2.7", 80) == [Endpoint("192.0.2.7", 80)]
    assert await pair.client.resolve("2001:DB8::0001", 80) == [Endpoint("2001:db8::1", 80)]
    assert Endpoint("127.0.0.1", 80) in await pair.client.resolve("localhost", 80)
    for name in ("", "a..b", "x" * 300, "nul\0"):
        with pytest.raises(NetworkError) as unknown:
            await pair.client.resolve(name, 80)
        assert unknown.value.reason is Reason.NAME_NOT_FOUND
