from __future__ import annotations

import logging
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.events import CallerTurnedAway, Event
from magnetite.ids import InfoHash
from magnetite.net.base import ByteStream
from magnetite.simnet import Fabric, Host
from magnetite.swarm.refusals import TELL_EVERY
from magnetite.wire.handshake import Handshake, new_peer_id
from tests.swarm.swarms import PORT, client_at

OURS = "10.0.0.1"
RUBBISH = b"GET / HTTP/1.1\r\nHost: example.org\r\n" + bytes(600)


async def call(host: Host, words: bytes) -> ByteStream:
    stream = await host.connect(Endpoint(OURS, PORT))
    await stream.send_all(words)
    return stream


async def hear_out(stream: ByteStream) -> None:
    buffer = bytearray(1 << 16)
    while await stream.receive_into(buffer):
        pass


async def test_callers_who_talk_rubbish_or_want_another_torrent_leave_a_reason(
    fabric: Fabric, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "magnetite.swarm.reception")
    events: list[Event] = []
    stranger = Handshake(InfoHash(7), new_peer_id(Random(7))).encode()
    caller = fabric.host("10.0.0.2")
    async with client_at(fabric, OURS, observe=events.append):
        for words in (RUBBISH, stranger):
            await hear_out(await call(caller, words))
    told = [event for event in events if isinstance(event, CallerTurnedAway)]
    assert [(event.endpoint.ip, event.reason, event.callers) for event in told] == [
        ("10.0.0.2", Reason.PROTOCOL_ERROR, 1),
        ("10.0.0.2", Reason.WRONG_INFO_HASH, 1),
    ]
    assert [f"turned {event.endpoint} away: {event.detail}" in caplog.text for event in told] == [True, True]


async def test_a_crowd_of_them_costs_one_line_a_minute_that_counts_them(fabric: Fabric) -> None:
    told: list[Event] = []
    caller = fabric.host("10.0.0.2")

    async def crowd(size: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(size):
                nursery.start_soon(hear_out, await call(caller, RUBBISH))

    async with client_at(fabric, OURS, observe=told.append):
        await crowd(100)
        await trio.sleep(TELL_EVERY)
        await crowd(1)
    assert [event.callers for event in told if isinstance(event, CallerTurnedAway)] == [1, 100]
