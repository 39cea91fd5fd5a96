"""A stream within RC4 keeps the promises of the stream it is in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from magnetite.endpoint import Endpoint
from magnetite.net.encrypted import EncryptedStream
from magnetite.simnet import Fabric
from magnetite.wire.mse.rc4 import Rc4
from tests.net.test_contract import read_exactly

HERE, THERE = b"a" * 20, b"b" * 20


@asynccontextmanager
async def ends(fabric: Fabric) -> AsyncIterator[tuple[EncryptedStream, EncryptedStream]]:
    one, other = fabric.host("10.0.0.1"), fabric.host("10.0.0.2")
    listener = await other.listen(Endpoint("10.0.0.2", 1))
    client = EncryptedStream(await one.connect(listener.local), Rc4(THERE), Rc4(HERE))
    server = EncryptedStream(await listener.accept(), Rc4(HERE), Rc4(THERE))
    yield client, server
    await client.aclose()
    await server.aclose()


async def test_what_is_sent_arrives_in_order_however_it_is_cut(fabric: Fabric) -> None:
    async with ends(fabric) as (client, server):
        assert (client.remote.ip, server.local.ip, client.local.ip) == ("10.0.0.2", "10.0.0.2", "10.0.0.1")
        block = bytearray(b"x" * 50_000)
        await client.send_all(b"header", memoryview(block)[:20_000], b"", block)
        assert block == b"x" * 50_000  # it is the caller's, and sent in the clear elsewhere
        assert await read_exactly(server, 6) == b"header"
        assert await read_exactly(server, 70_000) == b"x" * 70_000
        await server.send_all(b"back")
        assert await read_exactly(client, 4) == b"back"


async def test_nothing_of_it_can_be_read_on_the_way(fabric: Fabric) -> None:
    async with ends(fabric) as (client, server):
        await client.send_all(b"secret" * 100)
        raw = bytearray(600)
        assert await server._stream.receive_into(raw) == 600
        assert b"secret" not in raw


async def test_a_cancelled_read_has_taken_nothing(fabric: Fabric) -> None:
    async with ends(fabric) as (client, server):
        with trio.move_on_after(1):
            await server.receive_into(bytearray(10))
        await client.send_all(b"later")
        assert await read_exactly(server, 5) == b"later"


async def test_the_end_is_the_end(fabric: Fabric) -> None:
    async with ends(fabric) as (client, server):
        await client.aclose()
        assert await server.receive_into(bytearray(10)) == 0
