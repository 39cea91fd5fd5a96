"""Two connections and a bad network: what is sent arrives, in order, once, whatever is lost on the way."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetite.errors import NetworkError, Reason
from magnetite.net.utp.connection import KEEP_ALIVE, UNSENT, Connection, State
from magnetite.net.utp.half_open import Caller
from magnetite.net.utp.inbound import AHEAD, CAPACITY
from magnetite.net.utp.packet import HEADER, MODULUS, Packet, Type, decode, encode
from magnetite.net.utp.path_mtu import FLOOR4, FRAME, UDP4
from tests.net.utp.pairs import World, after, at_random

NOW = 100.0


def connected(world: World) -> tuple[Connection, Connection]:
    world.connect()
    assert world.there is not None
    return world.here, world.there


def types(world: World) -> list[Type]:
    return [decode(data).type for data in world.sent]


def test_a_call_takes_three_packets_and_each_side_knows_the_other() -> None:
    world = World()
    here, there = connected(world)
    syn, answer, ack = (decode(data) for data in world.sent)
    assert (syn.type, syn.seq_nr, syn.connection_id) == (Type.SYN, 1, 7)
    assert (answer.type, answer.ack_nr, answer.connection_id) == (Type.STATE, 1, 7)
    assert (ack.type, ack.connection_id, ack.ack_nr) == (Type.STATE, 8, (answer.seq_nr - 1) % MODULUS)
    assert (here.receive_id, here.send_id) == (there.send_id, there.receive_id) == (7, 8)


def test_what_is_written_is_read_at_the_other_side_in_both_directions() -> None:
    world = World()
    connected(world)
    world.to_send = {False: Random(1).randbytes(300_000), True: Random(2).randbytes(200_000)}
    wanted = dict(world.to_send)
    world.run(lambda: len(world.got[True]) == 300_000 and len(world.got[False]) == 200_000)
    assert world.got == {True: wanted[False], False: wanted[True]}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1 << 32), st.floats(0, 0.3), st.floats(0, 0.2), st.integers(0, 60_000), st.integers(0, 60_000))
def test_loss_disorder_and_doubles_change_nothing_but_the_time(
    seed: int, loss: float, twice: float, forth: int, back: int
) -> None:
    world = World()
    world.connect()
    world.fate = at_random(Random(seed), loss, twice)
    world.to_send = {False: Random(1).randbytes(forth), True: Random(2).randbytes(back)}
    wanted = dict(world.to_send)
    world.run(lambda: len(world.got[True]) == forth and len(world.got[False]) == back, 3600)
    assert world.got == {True: wanted[False], False: wanted[True]}


def test_a_lost_packet_is_sent_again_at_once_when_three_have_passed_it() -> None:
    world = World()
    here, _ = connected(world)
    lost: list[bytes] = []

    def lose_one(data: bytes, is_whole: bool) -> list[float]:
        if decode(data).type is Type.DATA and decode(data).seq_nr == 12 and not lost:
            lost.append(data)
            return []
        return [0.02]

    world.fate = lose_one
    world.to_send[False] = bytes(100_000)
    began = world.now
    world.settle()
    world.run(lambda: len(world.got[True]) == 100_000)
    assert lost
    assert world.now - began < 0.5, "no timeout was waited for"
    assert len([data for data in world.sent if decode(data).seq_nr == 12 and decode(data).type is Type.DATA]) == 2
    assert here.ledbat.window < 100_000


def test_a_path_that_takes_whole_frames_is_found_out_and_used() -> None:
    world = World()
    here, _ = connected(world)
    world.to_send[False] = bytes(100_000)
    world.run(lambda: len(world.got[True]) == 100_000)
    assert here.mtu.size == FRAME - UDP4
    assert max(map(len, world.sent)) == FRAME - UDP4


def test_a_narrow_path_is_found_out_and_what_was_too_large_arrives_in_fragments() -> None:
    def narrow(data: bytes, is_whole: bool) -> list[float]:
        return [0.02] if len(data) <= 1200 or not is_whole else []

    world = World(narrow)
    here, _ = connected(world)
    world.to_send[False] = bytes(400_000)
    world.run(lambda: len(world.got[True]) == 400_000)
    assert 1200 - 32 < here.mtu.size <= 1200


def test_a_path_that_becomes_narrow_is_noticed() -> None:
    world = World()
    here, _ = connected(world)
    world.to_send[False] = bytes(100_000)
    world.run(lambda: len(world.got[True]) == 100_000)
    world.fate = lambda data, is_whole: [0.02] if len(data) <= 1000 or not is_whole else []
    world.to_send[False] = bytes(300_000)
    world.run(lambda: len(world.got[True]) == 400_000)
    assert FLOOR4 <= here.mtu.size <= 1000


def test_a_reader_that_does_not_read_stops_the_writer_and_reading_starts_it_again() -> None:
    world = World()
    _, there = connected(world)
    world.reads = False
    world.to_send[False] = bytes(3 * CAPACITY)
    with pytest.raises(AssertionError, match="not within"):
        world.run(lambda: False, limit=900)
    assert CAPACITY <= len(there.inbound.unread) <= CAPACITY + FRAME
    assert world.here.state is State.CONNECTED, "however long it takes"
    assert len(world.here._unsent) <= UNSENT
    world.reads = True
    world.settle()
    began = world.now
    world.run(lambda: len(world.got[True]) == 3 * CAPACITY)
    assert world.now - began < 60


def test_crumbs_are_gathered_while_one_is_under_way() -> None:
    world = World()
    connected(world)
    world.sent.clear()
    for _ in range(50):
        world.to_send[False] = b"crumb"
        world.settle()
    world.run(lambda: len(world.got[True]) == 250)
    assert len([data for data in world.sent if decode(data).type is Type.DATA]) == 2


def test_a_burst_is_acked_once_and_a_lone_packet_after_a_moment() -> None:
    world = World()
    connected(world)
    world.to_send[False] = b"x"
    world.settle()
    world.sent.clear()
    world.run(lambda: Type.STATE in types(world))
    assert world.got[True] == b"x"
    assert types(world) == [Type.STATE]


def test_an_idle_connection_keeps_routers_from_forgetting_it() -> None:
    world = World()
    connected(world)
    world.sent.clear()
    with pytest.raises(AssertionError, match="not within"):
        world.run(lambda: False, limit=10 * KEEP_ALIVE)
    assert types(world).count(Type.STATE) in (20, 21, 22)


def test_nobody_at_the_other_side_ends_the_call() -> None:
    world = World(lambda data, is_whole: [])
    world.run(lambda: world.here.state is State.CLOSED)
    assert world.here.reason is Reason.CONNECT_TIMEOUT
    assert types(world) == [Type.SYN] * 5
    assert world.now - 100 == pytest.approx(15)


def test_who_falls_silent_is_given_up() -> None:
    world = World()
    here, _ = connected(world)
    world.fate = lambda data, is_whole: []
    world.to_send[False] = b"anybody there?"
    world.run(lambda: here.state is State.CLOSED)
    with pytest.raises(NetworkError) as lost:
        here.read_into(memoryview(bytearray(8)))
    assert lost.value.reason is Reason.CONNECTION_LOST


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_what_was_written_before_closing_arrives_and_then_the_end(loss: float) -> None:
    world = World()
    here, there = connected(world)
    world.fate = at_random(Random(3), loss)
    world.to_send[False] = bytes(100_000)
    world.settle()
    world.run(lambda: not world.to_send[False])
    here.close(world.now)
    world.settle()
    world.run(lambda: there.inbound.has_ended)
    assert len(world.got[True]) == 100_000
    assert there.read_into(memoryview(bytearray(8))) == 0
    there.close(world.now)
    world.settle()
    world.run(lambda: here.state is State.CLOSED and there.state is State.CLOSED, limit=120)


def test_both_sides_may_close_at_once() -> None:
    world = World()
    here, there = connected(world)
    here.close(world.now)
    there.close(world.now)
    world.settle()
    began = world.now
    world.run(lambda: here.state is State.CLOSED and there.state is State.CLOSED)
    assert world.now - began < 1
    assert types(world).count(Type.FIN) == 2


def test_a_reset_ends_it_and_a_guessed_one_does_not() -> None:
    world = World()
    here, there = connected(world)
    guessed = Packet(Type.RESET, here.receive_id, 0, 0, 0, 0, (here.unacked.next + 9) % MODULUS)
    here.receive(guessed, world.now)
    assert here.state is State.CONNECTED
    there.abort(world.now)
    world.settle()
    world.run(lambda: here.state is State.CLOSED)
    assert here.reason is Reason.CONNECTION_LOST


def test_a_call_that_is_reset_was_refused() -> None:
    here = Connection.dial(7, False, NOW)
    here.receive(Packet(Type.RESET, 7, 0, 0, 0, 0, 1), NOW)
    assert (here.state, here.reason) == (State.CLOSED, Reason.REFUSED)


packets = st.builds(
    Packet,
    st.sampled_from(Type),
    st.integers(7, 8),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 32) - 1),
    st.sampled_from([0, 1, 1000, 1 << 20, (1 << 32) - 1]),
    st.one_of(st.integers(0, 30), st.integers(65_500, 65_535), st.integers(0, 65_535)),
    st.one_of(st.integers(0, 30), st.integers(65_500, 65_535), st.integers(0, 65_535)),
    st.one_of(st.just(0), st.integers(0, (1 << 64) - 1), st.just((1 << 2016) - 1)),
    st.sampled_from([b"", b"x", bytes(1452), bytes(4000)]),
)


@settings(deadline=None)
@given(st.booleans(), st.lists(st.tuples(packets, st.sampled_from([0.0, 0.0, 0.01, 2.0])), max_size=60), st.booleans())
def test_no_sequence_of_packets_gets_an_exception_out_or_more_than_its_share_in(
    dials: bool, story: list[tuple[Packet, float]], closes: bool
) -> None:
    now = NOW
    side = Connection.dial(7, False, now) if dials else Connection.answer(Caller(7, 20, 2, now), False, now)
    for number, (packet, pause) in enumerate(story):
        now += pause
        if side.next_deadline <= now:
            side.on_time(now)
        if side.state is State.CONNECTED:
            side.write(memoryview(bytes(5000)))
        side.receive(packet, now)
        if closes and number == len(story) // 2:
            side.close(now)
        side.flush(now)
        assert len(side.probes) <= 1
        for datagrams in (side.fragmentable, side.outbox, side.probes):
            assert all(HEADER.size <= len(data) <= FRAME - UDP4 for data in datagrams)
            datagrams.clear()
        assert side.next_deadline > now
        assert len(side.inbound.unread) + side.inbound._early_bytes <= CAPACITY + 4096
        assert len(side.inbound._early) <= AHEAD
        assert len(side._unsent) <= UNSENT
        assert side.unacked.flight == sum(len(sent.payload) for sent in side.unacked if not sent.is_lost)
        assert side.unacked.flight >= 0


def test_a_receiver_keeps_no_more_than_its_capacity_of_packets_out_of_order() -> None:
    world = World()
    here, _ = connected(world)
    for number in range(5000):
        seq_nr = (here.inbound.ack_nr + 2 + number) % MODULUS
        here.receive(Packet(Type.DATA, 7, 0, 0, 0, seq_nr, 1, payload=bytes(1000)), world.now)
    assert here.inbound._early_bytes <= CAPACITY + 1000
    assert len(here.inbound._early) <= AHEAD
    here.flush(world.now)
    assert len(here.outbox) == 1
    assert len(here.outbox[0]) <= HEADER.size + 2 + 252


def test_a_packet_that_comes_again_is_acked_twice_since_an_ack_was_lost() -> None:
    world = World()
    here, _ = connected(world)
    packet = Packet(Type.DATA, 7, 0, 0, 0, (here.inbound.ack_nr + 1) % MODULUS, 1, payload=b"once")
    for acks in (1, 2, 2):
        here.outbox.clear()
        here.receive(packet, world.now)
        here.on_time(here.next_deadline)
        here.flush(world.now)
        assert [decode(data).ack_nr for data in here.outbox] == [packet.seq_nr] * acks
    assert here.inbound.unread == b"once"


def test_a_packet_cannot_be_acked_before_it_was_sent() -> None:
    world = World()
    here, _ = connected(world)
    before = here.unacked.acked
    here.receive(decode(encode(Type.STATE, 7, 1, 1, 1, 1, (before + 5) % MODULUS)), world.now)
    assert here.unacked.acked == before


def test_delays_come_from_the_network_alone() -> None:
    world = World(after(0.05))
    here, _ = connected(world)
    world.to_send[False] = bytes(50_000)
    world.run(lambda: len(world.got[True]) == 50_000)
    assert here.round_trip.smoothed == pytest.approx(0.1, abs=0.03)
    assert here.delay.queueing == pytest.approx(0, abs=0.001)
