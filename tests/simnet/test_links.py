"""Lines and their queues."""

from __future__ import annotations

from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.simnet import ADSL, Fabric, Link, VirtualClock
from magnetite.simnet.links import CABLE, DATACENTRE, FIBRE, Line
from magnetite.simnet.stream import SimStream
from tests.simnet.test_stream import A, B, pair_on

PROBE = 6881


def test_a_line_without_a_rate_is_never_busy() -> None:
    line = Line(None, 1.0)
    assert line.reserve(5.0, 1 << 40) == 5.0
    assert line.wait(5.0) == 0.0


def test_bytes_are_through_one_after_the_other() -> None:
    line = Line(1000.0, 1.0)
    assert line.reserve(0.0, 500) == 0.5
    assert line.reserve(0.1, 500) == 1.0
    assert line.wait(0.1) == pytest.approx(0.9)
    assert line.reserve(3.0, 500) == 3.5


def test_a_full_buffer_drops_what_comes_last() -> None:
    line = Line(1000.0, 1.0)
    admitted = [line.admit(0.0, 400) for _ in range(5)]
    assert admitted == [0.4, 0.8, pytest.approx(1.2), None, None]
    assert line.admit(0.5, 400) == pytest.approx(1.6)


def test_a_datagram_among_waiting_blocks_is_late_by_a_buffer_at_most_and_is_not_lost() -> None:
    line = Line(1000.0, 1.0)
    line.reserve(0.0, 10_000)
    assert line.slip_in(0.0, 100) == pytest.approx(1.1)
    assert line.wait(0.0) == pytest.approx(10.1), "it takes its room from the others"


def test_datagrams_alone_fill_a_buffer_all_the_same() -> None:
    line = Line(1000.0, 1.0)
    assert sum(line.slip_in(0.0, 400) is not None for _ in range(10)) == 3


def test_the_classes_are_in_the_order_of_their_worth() -> None:
    classes = [ADSL, CABLE, FIBRE, DATACENTRE]
    assert sorted(classes, key=lambda link: link.up or 0) == classes
    assert sorted(classes, key=lambda link: -link.latency) == classes
    assert sorted(classes, key=lambda link: -link.up_queue) == classes


async def test_the_latency_of_both_lines_counts_for_datagrams_and_streams(clock: VirtualClock, fabric: Fabric) -> None:
    here, there = await pair_on(fabric, Link(latency=0.1), Link(latency=0.2))
    assert clock.now == pytest.approx(0.64)
    a, b = await here._host.open_udp(Endpoint(A, PROBE)), await there._host.open_udp(Endpoint(B, PROBE))
    start = clock.now
    a.send(b"ping", b.local)
    await b.receive_batch()
    assert clock.now - start == pytest.approx(0.32)


# -- with congestion -------------------------------------------------------------------------------------------------


async def saturate(here: SimStream, there: SimStream, seconds: float) -> list[float]:
    """How long datagrams take, ten a second, while a stream sends what it can."""
    a, b = await here._host.open_udp(Endpoint(A, PROBE)), await there._host.open_udp(Endpoint(B, PROBE))
    delays: list[float] = []

    async def send() -> None:
        while True:
            await here.send_all(bytes(100_000))

    async def read() -> None:
        buffer = bytearray(1 << 20)
        while True:
            await there.receive_into(buffer)

    async def probe() -> None:
        while True:
            a.send(str(trio.current_time()).encode(), b.local)
            await trio.sleep(0.1)

    async def note() -> None:
        while True:
            delays.extend(trio.current_time() - float(each.data) for each in await b.receive_batch())

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for task in (send, read, probe, note):
                nursery.start_soon(task)
    return delays


@pytest.fixture
def congested(clock: VirtualClock) -> Fabric:
    return Fabric(clock, Random(0), congestion=True, window=1 << 20)


async def test_a_saturated_uplink_shows_datagrams_a_growing_delay_up_to_its_buffer(congested: Fabric) -> None:
    here, there = await pair_on(congested, Link(up=100_000, up_queue=1.0))
    delays = await saturate(here, there, 20)
    assert delays[0] < 0.2
    assert 0.5 < max(delays) < 1.1
    assert delays.index(max(delays)) > 10, "a queue takes its time to fill"
    assert min(delays[50:]) > 0.1, "and stays filled, more or less"


async def test_a_bulk_stream_uses_its_line_for_the_most_part(congested: Fabric, clock: VirtualClock) -> None:
    here, there = await pair_on(congested, Link(up=200_000, up_queue=0.2))
    start, length, buffer = clock.now, 0, bytearray(1 << 20)

    async def send() -> None:
        await here.send_all(bytes(4_000_000))
        await here.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while received := await there.receive_into(buffer):
            length += received
    assert length == 4_000_000
    assert 20 <= clock.now - start < 26


async def test_a_stream_starts_slowly(congested: Fabric, clock: VirtualClock) -> None:
    here, there = await pair_on(congested)
    start, buffer, seen = clock.now, bytearray(1 << 20), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.send_all, bytes(200_000))
        while sum(length for _, length in seen) < 200_000:
            length = await there.receive_into(buffer)
            seen.append((round((clock.now - start) / 0.04 - 0.5), length))
    rounds = [sum(length for at, length in seen if at == number) for number in range(4)]
    assert rounds[0] == 10 * 1448, "an initial window of ten segments, and then twice as much each round trip"
    assert rounds[:3] == [14_480, 28_960, 57_920]


async def test_two_streams_share_a_line(congested: Fabric, clock: VirtualClock) -> None:
    a, b = congested.host(A, Link(up=200_000, up_queue=0.3)), congested.host(B)
    listener = await b.listen(Endpoint(B, 1))
    got = [0, 0]

    async def send(stream: SimStream) -> None:
        while True:
            await stream.send_all(bytes(50_000))

    async def read(number: int, stream: SimStream) -> None:
        buffer = bytearray(1 << 20)
        while True:
            got[number] += await stream.receive_into(buffer)

    with trio.move_on_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(2):
                nursery.start_soon(send, await a.connect(listener.local))
                nursery.start_soon(read, number, await listener.accept())
    assert sum(got) > 0.85 * 60 * 200_000
    assert 0.4 < got[0] / got[1] < 2.5
