"""Virtual TCP."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from magnetite import simnet
from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.simnet import Fabric, Host, Link, VirtualClock
from magnetite.simnet.faults import DROP, PASS, Delay, Packet, Rule, Verdict, loss, partition
from magnetite.simnet.listener import BACKLOG
from magnetite.simnet.stream import SimStream

A, B = "10.0.0.1", "10.0.0.2"
Pair = tuple[SimStream, SimStream]


async def connected(fabric: Fabric, a: Host, b: Host) -> Pair:
    listener = await b.listen(Endpoint(b.ip, 0))
    stream = await a.connect(listener.local)
    accepted = await listener.accept()
    await listener.aclose()
    return stream, accepted


async def pair_on(fabric: Fabric, a: Link | None = None, b: Link | None = None) -> Pair:
    return await connected(fabric, fabric.host(A, a), fabric.host(B, b))


async def read_to_the_end(stream: SimStream) -> bytes:
    read, buffer = bytearray(), bytearray(64 * 1024)
    while length := await stream.receive_into(buffer):
        read += buffer[:length]
    return bytes(read)


async def send_and_close(stream: SimStream, *buffers: bytes) -> None:
    await stream.send_all(*buffers)
    await stream.aclose()


async def lost(operation: Callable[..., object], *args: object) -> None:
    with pytest.raises(NetworkError) as broken:
        await operation(*args)  # type: ignore[misc]
    assert broken.value.reason is Reason.CONNECTION_LOST


# -- connecting ------------------------------------------------------------------------------------------------------


async def test_connecting_takes_a_round_trip(fabric: Fabric) -> None:
    await pair_on(fabric)
    assert trio.current_time() == 0.04


async def test_a_host_that_is_up_refuses_within_a_round_trip(fabric: Fabric) -> None:
    a, b = fabric.host(A), fabric.host(B)
    with pytest.raises(NetworkError) as refused:
        await a.connect(Endpoint(b.ip, 1))
    assert refused.value.reason is Reason.REFUSED
    assert trio.current_time() == 0.04


async def test_a_host_that_is_down_never_answers(fabric: Fabric) -> None:
    a, b = fabric.host(A), fabric.host(B)
    listener = await b.listen(Endpoint(B, 1))
    b.crash()
    with pytest.raises(NetworkError) as silent:
        await a.connect(listener.local)
    assert silent.value.reason is Reason.CONNECT_TIMEOUT
    assert trio.current_time() == 127


async def test_a_host_without_a_cable_finds_everything_unreachable(fabric: Fabric) -> None:
    a = fabric.host(A)
    a.unplug()
    with pytest.raises(NetworkError) as failed:
        await a.connect(Endpoint(B, 1))
    assert failed.value.reason is Reason.UNREACHABLE


async def test_a_lost_attempt_is_repeated(fabric: Fabric, clock: VirtualClock) -> None:
    fabric.faults.add(lambda packet, rng: DROP if packet.time < 2 else PASS)
    stream, _ = await pair_on(fabric)
    assert clock.now == 3.04  # asked at 0, 1 and 3 s
    assert stream.remote.ip == B


async def test_an_answer_that_is_lost_gives_one_connection_all_the_same(fabric: Fabric) -> None:
    fabric.faults.add(lambda packet, rng: DROP if packet.source.ip == B and packet.time < 1 else PASS)
    a, b = fabric.host(A), fabric.host(B)
    listener = await b.listen(Endpoint(B, 1))
    await a.connect(listener.local)
    await listener.accept()
    with trio.move_on_after(100) as scope:
        await listener.accept()
    assert scope.cancelled_caught


async def test_an_attempt_that_is_given_up_leaves_nothing_open(fabric: Fabric) -> None:
    a, b = fabric.host(A), fabric.host(B)
    listener = await b.listen(Endpoint(B, 1))
    with trio.move_on_after(0.03):  # the other host has accepted, and its answer is on the way
        await a.connect(listener.local)
    accepted = await listener.accept()
    await lost(accepted.receive_into, bytearray(1))
    await accepted.aclose()
    with trio.move_on_after(0.01):  # the question itself is on the way
        await a.connect(listener.local)
    await trio.sleep(1)
    assert not a.streams
    assert not b.streams


async def test_a_listener_that_nobody_accepts_from_fills_up(fabric: Fabric) -> None:
    a, b = fabric.host(A), fabric.host(B)
    listener = await b.listen(Endpoint(B, 1))
    streams = [await a.connect(listener.local) for _ in range(BACKLOG)]
    with trio.move_on_after(10) as scope:
        await a.connect(listener.local)
    assert scope.cancelled_caught
    await listener.aclose()
    for stream in streams:
        await lost(stream.receive_into, bytearray(1))


# -- sending and receiving -------------------------------------------------------------------------------------------


async def test_bytes_arrive_after_the_latency_of_their_direction(clock: VirtualClock, rng: Random) -> None:
    fabric = Fabric(clock, rng, lambda source, destination: 0.1 if source == A else 0.3)
    here, there = await pair_on(fabric)
    start = clock.now
    await here.send_all(b"to")
    await there.receive_into(bytearray(8))
    assert clock.now == pytest.approx(start + 0.1)
    await there.send_all(b"fro")
    await here.receive_into(bytearray(8))
    assert clock.now == pytest.approx(start + 0.4)


@pytest.mark.parametrize(("up", "down"), [(100_000, None), (None, 100_000), (100_000, 100_000)])
async def test_a_stream_runs_at_the_rate_of_its_slowest_line(
    fabric: Fabric, up: float | None, down: float | None
) -> None:
    here, there = await pair_on(fabric, Link(up=up), Link(down=down))
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_and_close, here, bytes(1_000_000))
        assert len(await read_to_the_end(there)) == 1_000_000
    assert trio.current_time() - start == pytest.approx(10, rel=0.03)


async def test_streams_on_one_line_share_it_fairly(fabric: Fabric) -> None:
    a = fabric.host(A, Link(up=100_000))
    finished: list[float] = []

    async def transfer(number: int) -> None:
        here, there = await connected(fabric, a, fabric.host(f"10.0.1.{number}"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_and_close, here, bytes(250_000))
            await read_to_the_end(there)
            finished.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(transfer, number)
    assert all(9 < time < 10.5 for time in finished), finished


async def test_the_window_limits_what_is_under_way(clock: VirtualClock, rng: Random) -> None:
    fabric = Fabric(clock, rng, window=10_000)
    here, there = await pair_on(fabric)
    sent = trio.Event()

    async def send() -> None:
        await here.send_all(bytes(30_000))
        sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.sleep(10)
        buffer = bytearray(100_000)
        assert await there.receive_into(buffer) == 10_000
        await trio.sleep(10)
        assert not sent.is_set()
        assert await there.receive_into(buffer) == 10_000
        start = clock.now
        await sent.wait()
        assert clock.now == pytest.approx(start + 0.02)  # the sender hears of the room a latency later
    assert await there.receive_into(buffer) == 10_000


async def test_both_directions_are_independent(fabric: Fabric) -> None:
    here, there = await pair_on(fabric)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.send_all, bytes(100_000))  # nobody reads it
        await there.send_all(b"hello")
        assert await here.receive_into(bytearray(8)) == 5


@given(
    sent=st.lists(st.binary(max_size=300), max_size=30),
    window=st.integers(1, 500),
    rates=st.tuples(*[st.none() | st.integers(100, 10_000)] * 2),
    buffer_size=st.integers(1, 400),
    rechunk=st.booleans(),
    congestion=st.booleans(),
    seed=st.integers(0, 5),
)
def test_what_is_read_is_what_was_sent(
    sent: list[bytes],
    window: int,
    rates: tuple[float | None, float | None],
    buffer_size: int,
    rechunk: bool,
    congestion: bool,
    seed: int,
) -> None:
    clock = VirtualClock(limit=86_400)

    def mishap(packet: Packet, rng: Random) -> Verdict:
        return rng.choice([PASS, PASS, PASS, DROP, Delay(0.5)]) if packet.is_segment else PASS

    async def main() -> bytes:
        fabric = Fabric(clock, Random(seed), faults=[mishap], window=window, rechunk=rechunk, congestion=congestion)
        here, there = await pair_on(fabric, Link(up=rates[0]), Link(down=rates[1]))
        read, buffer = bytearray(), bytearray(buffer_size)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_and_close, here, *sent)
            while length := await there.receive_into(buffer):
                read += buffer[:length]
        return bytes(read)

    assert simnet.run(main, seed=seed, clock=clock) == b"".join(sent)


async def test_rechunking_hands_over_parts_of_what_is_there(clock: VirtualClock, rng: Random) -> None:
    here, there = await pair_on(Fabric(clock, rng, rechunk=True))
    await here.send_all(bytes(1000))
    await trio.sleep(1)
    parts = []
    while sum(parts) < 1000:
        parts.append(await there.receive_into(bytearray(1000)))
    assert len(parts) > 2


# -- endings ---------------------------------------------------------------------------------------------------------


async def test_closing_delivers_first_what_waits_for_a_slow_line(fabric: Fabric) -> None:
    here, there = await pair_on(fabric, Link(up=1000))
    await send_and_close(here, bytes(10_000))
    assert trio.current_time() < 1
    assert len(await read_to_the_end(there)) == 10_000
    assert trio.current_time() > 10


async def test_a_side_that_learns_of_the_others_closing_cannot_send_any_more(fabric: Fabric) -> None:
    here, there = await pair_on(fabric)
    await here.aclose()
    await there.send_all(b"it is not known yet")
    await trio.sleep(0.02)
    await lost(there.send_all, b"now it is")


async def test_a_sender_that_waits_for_room_is_told_when_the_other_side_closes(fabric: Fabric) -> None:
    here, there = await pair_on(fabric)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lost, here.send_all, bytes(10 << 20))
        await trio.sleep(1)
        await there.aclose()


async def test_a_crash_breaks_streams_at_once_here_and_a_latency_later_there(fabric: Fabric) -> None:
    a, b = fabric.host(A), fabric.host(B)
    here, there = await connected(fabric, a, b)
    await here.send_all(b"last words")
    await trio.sleep(1)
    a.crash()
    await lost(here.receive_into, bytearray(8))
    buffer = bytearray(16)
    assert await there.receive_into(buffer) == 10, "what had arrived can be read"
    start = trio.current_time()
    await lost(there.receive_into, buffer)
    assert trio.current_time() - start == pytest.approx(0.02)
    await lost(there.send_all, b"x")
    await there.aclose()
    assert not a.streams
    assert not b.streams


async def test_nothing_arrives_after_a_stream_broke(fabric: Fabric) -> None:
    a, b = fabric.host(A), fabric.host(B, Link(down=1000))
    here, there = await connected(fabric, a, b)
    await here.send_all(bytes(5000))  # takes 5 s through the other side's line
    a.crash()
    await trio.sleep(1)
    await lost(there.receive_into, bytearray(16))
    await trio.sleep(10)
    await lost(there.receive_into, bytearray(16))


async def test_a_side_that_sends_no_more_can_still_read(fabric: Fabric) -> None:
    here, there = await pair_on(fabric)
    await here.send_all(b"request")
    here.finish_sending()
    assert await read_to_the_end(there) == b"request"
    await send_and_close(there, b"answer")
    assert await read_to_the_end(here) == b"answer"
    await lost(here.send_all, b"x")


async def test_a_side_that_sent_its_end_before_closes_like_any_other(fabric: Fabric) -> None:
    here, there = await pair_on(fabric)
    here.finish_sending()
    assert await read_to_the_end(there) == b""
    await there.send_all(b"still possible")
    await here.aclose()
    await trio.sleep(0.02)
    await lost(there.send_all, b"x")
    assert await there.receive_into(bytearray(8)) == 0


async def test_streams_of_a_host_that_moved_get_nothing_through_and_break_in_the_end(fabric: Fabric) -> None:
    a, b = fabric.host(A), fabric.host(B)
    here, there = await connected(fabric, a, b)
    fabric.move(a, "10.0.0.9")
    await there.send_all(b"anybody?")
    with trio.move_on_after(100) as scope:
        await here.receive_into(bytearray(8))
    assert scope.cancelled_caught
    await lost(there.receive_into, bytearray(8))


async def test_bytes_travel_by_reference_and_what_can_change_is_copied(fabric: Fabric) -> None:
    here, there = await pair_on(fabric)
    whole, changing = bytes(range(200)) * 10, bytearray(b"first")
    await here.send_all(memoryview(whole)[100:300], changing, memoryview(changing)[1:], memoryview(whole)[::100])
    changing[:] = b"other"
    await trio.sleep(1)
    assert there._received._arrived[0].obj is whole
    await here.aclose()
    assert await read_to_the_end(there) == whole[100:300] + b"firstirst" + whole[::100]


# -- faults ----------------------------------------------------------------------------------------------------------


async def test_a_stream_outlives_a_partition_and_keeps_its_order(fabric: Fabric) -> None:
    here, there = await pair_on(fabric)
    wall = partition({A}, {B})
    fabric.faults.add(wall)
    for byte in (b"one ", b"two ", b"three"):
        await here.send_all(byte)
    with trio.move_on_after(60) as scope:
        await there.receive_into(bytearray(16))
    assert scope.cancelled_caught
    fabric.faults.remove(wall)
    await here.aclose()
    assert await read_to_the_end(there) == b"one two three"


async def test_a_stream_outlives_the_pulling_of_a_cable(fabric: Fabric) -> None:
    a, b = fabric.host(A), fabric.host(B)
    here, there = await connected(fabric, a, b)
    b.unplug()
    await send_and_close(here, b"patience")
    await trio.sleep(30)
    b.plug()
    assert await read_to_the_end(there) == b"patience"


async def test_a_stream_that_gets_nothing_through_breaks_in_the_end(fabric: Fabric) -> None:
    here, _ = await pair_on(fabric)
    fabric.faults.add(partition({A}, {B}))
    await here.send_all(b"anybody?")
    await lost(here.receive_into, bytearray(8))
    assert 800 < trio.current_time() < 1000


async def test_a_delayed_segment_holds_up_those_behind_it(fabric: Fabric) -> None:
    here, there = await pair_on(fabric)
    late: Rule = lambda packet, rng: Delay(1.0) if packet.data == b"first" else PASS  # noqa: E731
    fabric.faults.add(late)
    await here.send_all(b"first")
    await here.send_all(b"second")
    buffer = bytearray(16)
    await trio.sleep(1.5)
    assert bytes(buffer[: await there.receive_into(buffer)]) == b"firstsecond"


async def test_the_loss_of_datagrams_leaves_streams_alone(fabric: Fabric) -> None:
    fabric.faults.add(loss(1.0))
    here, there = await pair_on(fabric)
    await here.send_all(b"hello")
    await there.receive_into(bytearray(8))
    assert trio.current_time() == pytest.approx(0.06)
