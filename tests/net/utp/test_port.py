"""Many connections behind one UDP port: found by address and id, bounded, and closed with it."""

from __future__ import annotations

from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.base import Datagram
from magnetite.net.utp import port as module
from magnetite.net.utp.half_open import MOST
from magnetite.net.utp.packet import Type, decode, encode
from magnetite.net.utp.port import BACKLOG, RESETS, SPARE, UtpPort
from magnetite.net.utp.shared import SharedSocket
from magnetite.simnet import Fabric
from magnetite.simnet.datagrams import SimDatagramSocket
from tests.net.utp.networks import open_port

HERE, THERE = Endpoint("10.0.0.1", 6881), Endpoint("10.0.0.2", 6881)


async def two_ports(fabric: Fabric) -> tuple[UtpPort, UtpPort]:
    return await open_port(fabric.host(HERE.ip), HERE), await open_port(fabric.host(THERE.ip), THERE)


async def deaf(fabric: Fabric) -> tuple[UtpPort, SimDatagramSocket]:
    """A port at THERE that is handed what a test makes up, and a socket at HERE that hears its answers."""
    socket = await fabric.host(THERE.ip).open_udp(THERE)
    return UtpPort(socket, Random(1)), await fabric.host(HERE.ip).open_udp(HERE)


def syn(number: int) -> Datagram:
    """From the caller of that number."""
    source = Endpoint(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 6881)
    return Datagram(encode(Type.SYN, number % 7, 0, 0, 0, 1, 0), source)


async def test_many_connections_of_two_ports_do_not_get_in_each_others_way(fabric: Fabric) -> None:
    here, there = await two_ports(fabric)

    async def echo() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(answer, await there.accept())

    async def answer(stream: module.UtpStream) -> None:
        buffer = bytearray(100_000)
        while length := await stream.receive_into(buffer):
            await stream.send_all(buffer[:length])
        await stream.aclose()

    async def ask(number: int) -> None:
        stream = await here.connect(THERE)
        said = Random(number).randbytes(5_000 * number)
        await stream.send_all(said)
        heard = bytearray()
        while len(heard) < len(said):
            buffer = bytearray(100_000)
            heard += buffer[: await stream.receive_into(buffer)]
        assert heard == said
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(echo)
        for number in range(20):
            nursery.start_soon(ask, number)
    await trio.sleep(1)
    assert len(here) == len(there) == 0


async def test_a_call_that_is_cancelled_leaves_nothing_behind(fabric: Fabric) -> None:
    here = await open_port(fabric.host(HERE.ip), HERE)
    fabric.host(THERE.ip)
    with trio.move_on_after(2):
        await here.connect(THERE)
    assert len(here) == 0


async def test_nobody_there_is_a_timeout_and_the_other_family_is_unreachable(fabric: Fabric) -> None:
    here = await open_port(fabric.host(HERE.ip), HERE)
    for remote, reason in ((THERE, Reason.CONNECT_TIMEOUT), (Endpoint("2001:db8::1", 1), Reason.UNREACHABLE)):
        with pytest.raises(NetworkError) as failed:
            await here.connect(remote)
        assert failed.value.reason is reason


async def test_an_absent_network_is_unreachable_at_once(fabric: Fabric) -> None:
    host = fabric.host(HERE.ip)
    here = await open_port(host, HERE)
    host.unplug()
    with pytest.raises(NetworkError) as failed:
        await here.connect(THERE)
    assert trio.current_time() < 1
    assert failed.value.reason is Reason.CONNECTION_LOST or failed.value.reason is Reason.UNREACHABLE


async def test_closing_the_port_ends_every_connection_at_both_sides(fabric: Fabric) -> None:
    here, there = await two_ports(fabric)
    streams = [await here.connect(THERE) for _ in range(3)]
    accepted = [await there.accept() for _ in range(3)]
    await there.aclose()
    await trio.sleep(0.1)
    for stream in (*streams, *accepted):
        with pytest.raises(NetworkError) as lost:
            await stream.receive_into(bytearray(8))
        assert lost.value.reason is Reason.CONNECTION_LOST
    assert len(here) == len(there) == 0
    with pytest.raises(NetworkError) as refused:
        await here.connect(THERE)
    assert refused.value.reason is Reason.REFUSED


async def test_a_flood_of_calls_is_bounded_and_makes_no_connections(fabric: Fabric) -> None:
    port, _ = await deaf(fabric)
    for number in range(5_000):
        port.receive([syn(number)])
    assert len(port._half_open) <= MOST
    assert len(port) == len(port._due) == 0


async def test_an_honest_caller_gets_through_a_flood(fabric: Fabric) -> None:
    here, there = await two_ports(fabric)
    flood = await fabric.host("10.0.0.3").open_udp(Endpoint("10.0.0.3", 6881))
    for number in range(5_000):
        flood.send(encode(Type.SYN, number, 0, 0, 0, 1, 0), THERE)
    stream = await here.connect(THERE)
    await stream.send_all(b"hello")
    assert (await there.accept()).remote == HERE


async def test_who_makes_calls_come_and_go_leaves_no_timetable_behind(fabric: Fabric) -> None:
    here, there = await two_ports(fabric)
    for _ in range(1_000):
        stream = await here.connect(THERE)
        stream.connection.abort(trio.current_time())
        here._flush(stream, trio.current_time())
        (await there.accept()).connection._end(Reason.CONNECTION_LOST)
    assert len(here._due) < 3 * SPARE


async def test_an_answer_is_no_longer_than_the_call(fabric: Fabric) -> None:
    port, socket = await deaf(fabric)
    port.receive([Datagram(syn(1).data, HERE)])
    [answer] = await socket.receive_batch()
    assert decode(answer.data).type is Type.STATE
    assert len(answer.data) == len(syn(1).data)


async def test_callers_that_nobody_accepts_are_refused_beyond_the_backlog(fabric: Fabric) -> None:
    here, there = await two_ports(fabric)
    streams = [await here.connect(THERE) for _ in range(BACKLOG)]
    await trio.sleep(1)
    late = await here.connect(THERE)
    await trio.sleep(1)
    with pytest.raises(NetworkError):
        await late.receive_into(bytearray(8))
    assert len(there) == BACKLOG
    assert all(stream.connection.next_deadline < 1e9 for stream in streams)


async def test_connections_are_bounded_in_all(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS", 5)
    here, there = await two_ports(fabric)
    for _ in range(5):
        await here.connect(THERE)
        await there.accept()
    with pytest.raises(NetworkError) as refused:
        await here.connect(THERE)
    assert refused.value.reason is Reason.REFUSED


async def test_packets_of_no_connection_are_answered_with_resets_at_a_bounded_rate(fabric: Fabric) -> None:
    port, socket = await deaf(fabric)
    stray = encode(Type.DATA, 77, 0, 0, 0, 500, 1, payload=b"who are you?")
    port.receive([Datagram(stray, HERE)] * (RESETS + 50))
    await trio.sleep(1)
    answers = [decode(each.data) for _ in range(2) for each in await socket.receive_batch()]
    assert len(answers) == RESETS
    assert {(each.type, each.connection_id, each.ack_nr) for each in answers} == {(Type.RESET, 77, 500)}
    port.receive([Datagram(encode(Type.RESET, 77, 0, 0, 0, 1, 1), HERE)])
    with trio.move_on_after(1) as scope:
        await socket.receive_batch()
    assert scope.cancelled_caught, "a reset is never answered"


async def test_a_reset_with_our_own_id_of_a_side_that_has_forgotten_us_ends_the_connection(fabric: Fabric) -> None:
    here, there = await two_ports(fabric)
    stream = await here.connect(THERE)
    forgotten = await there.accept()
    forgotten.connection._end(Reason.CONNECTION_LOST)
    there._drop(forgotten)
    await stream.send_all(b"hello?")
    with pytest.raises(NetworkError):
        await stream.receive_into(bytearray(8))


async def test_the_dht_hears_what_is_its_own_and_nothing_else(fabric: Fabric) -> None:
    socket = await fabric.host(THERE.ip).open_udp(THERE)
    port = UtpPort(socket, Random(1))
    shared = SharedSocket(socket, port)
    other = await fabric.host(HERE.ip).open_udp(HERE)
    for data in (syn(1).data, b"d1:q4:ping1:y1:qe", b"", b"junk", b"d2:xxe"):
        other.send(data, THERE)
    await trio.sleep(1)
    assert [datagram.data for datagram in await shared.receive_batch()] == [b"d1:q4:ping1:y1:qe", b"d2:xxe"]
    assert len(port._half_open) == 1
    assert shared.send(b"d1:y1:re", HERE)


async def test_the_dht_is_fed_what_is_its_own_and_nothing_else(fabric: Fabric) -> None:
    socket = await fabric.host(THERE.ip).open_udp(THERE)
    port = UtpPort(socket, Random(1))
    other = await fabric.host(HERE.ip).open_udp(HERE)
    fed: list[list[Datagram]] = []
    with trio.move_on_after(1):
        for data in (syn(1).data, b"d2:xxe", b"junk"):
            other.send(data, THERE)
        await SharedSocket(socket, port).feed(fed.append)
    assert fed == [[(b"d2:xxe", HERE)]]
    assert len(port._half_open) == 1


async def test_a_batch_of_junk_wakes_nobody_and_a_cancelled_one_loses_nothing(fabric: Fabric) -> None:
    socket = await fabric.host(THERE.ip).open_udp(THERE)
    shared = SharedSocket(socket, UtpPort(socket, Random(1)))
    other = await fabric.host(HERE.ip).open_udp(HERE)
    other.send(b"junk", THERE)
    with trio.move_on_after(1) as scope:
        await shared.receive_batch()
    assert scope.cancelled_caught
    other.send(b"de", THERE)
    assert await shared.receive_batch() == [(b"de", HERE)]
