"""What only the operating system's sockets can do to us."""

from __future__ import annotations

import os
import resource
import socket

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net import tcp
from magnetite.net.real import RealNetwork
from magnetite.net.sockets import endpoint_of

LOCAL4, LOCAL6 = Endpoint("127.0.0.1", 0), Endpoint("::1", 0)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def a_port_nobody_has() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@needs_ipv6
@pytest.mark.real_clock
async def test_ipv6_sockets_carry_datagrams_and_streams_and_leave_ipv4_alone() -> None:
    network = RealNetwork()
    six = await network.open_udp(Endpoint("::", 0))
    four = await network.open_udp(Endpoint("0.0.0.0", six.local.port))  # the same port: V6ONLY
    assert six.send(b"ping", Endpoint("::1", six.local.port))
    assert await six.receive_batch() == [(b"ping", Endpoint("::1", six.local.port))]
    listener = await network.listen(LOCAL6)
    stream = await network.connect(listener.local, "::1")
    accepted = await listener.accept()
    assert stream.local == accepted.remote
    for opened in (six, four, stream, accepted, listener):
        await opened.aclose()


def test_the_scope_of_a_link_local_address_is_cut_off() -> None:
    assert endpoint_of(("fe80::1%eth0", 6881, 0, 2)) == Endpoint("fe80::1", 6881)
    assert endpoint_of(("192.0.2.1", 6881)) == Endpoint("192.0.2.1", 6881)


@pytest.mark.real_clock
async def test_a_dead_destination_does_not_end_the_receiving_of_others() -> None:
    network = RealNetwork()
    udp = await network.open_udp(LOCAL4)
    udp._socket.connect(("127.0.0.1", a_port_nobody_has()))  # so that Linux reports the ICMP error, as Windows does
    udp._socket.send(b"nobody is there")
    with trio.move_on_after(0.05) as scope:
        await udp.receive_batch()
    assert scope.cancelled_caught, "it waits on"
    udp._socket.connect(udp.local)
    udp._socket.send(b"hello")
    assert [datagram.data for datagram in await udp.receive_batch()] == [b"hello"]
    await udp.aclose()


@pytest.mark.real_clock
async def test_a_datagram_too_large_for_the_network_is_refused_and_does_not_raise() -> None:
    udp = await RealNetwork().open_udp(LOCAL4)
    assert not udp.send(bytes(70_000), udp.local)
    await udp.aclose()


@pytest.mark.real_clock
async def test_an_address_that_cannot_be_connected_to_is_unreachable() -> None:
    with pytest.raises(NetworkError) as refused:
        await RealNetwork().connect(Endpoint("255.255.255.255", 80))
    assert refused.value.reason is Reason.UNREACHABLE


@pytest.mark.real_clock
async def test_a_cancelled_connect_closes_its_socket() -> None:
    with socket.socket() as deaf:  # its backlog of one is full, so that a further connection stays unanswered
        deaf.bind(LOCAL4)
        deaf.listen(0)
        address = endpoint_of(deaf.getsockname())
        network = RealNetwork()
        first = await network.connect(address)
        before = len(os.listdir("/proc/self/fd"))
        with trio.move_on_after(0.05) as scope:
            await network.connect(address)
        assert scope.cancelled_caught
        assert len(os.listdir("/proc/self/fd")) == before
        await first.aclose()


@pytest.mark.real_clock
async def test_a_reset_by_the_other_side_is_connection_lost() -> None:
    network = RealNetwork()
    listener = await network.listen(LOCAL4)
    stream = await network.connect(listener.local)
    accepted = await listener.accept()
    accepted._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
    await accepted.aclose()
    with pytest.raises(NetworkError) as broken:
        await stream.receive_into(bytearray(8))
    assert broken.value.reason is Reason.CONNECTION_LOST
    await stream.aclose()
    await listener.aclose()


@pytest.mark.real_clock
async def test_accepting_survives_having_no_file_descriptors_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "WAIT_FOR_FILES", 0.02)
    network = RealNetwork()
    listener = await network.listen(LOCAL4)
    client = await network.connect(listener.local)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_free = os.dup(0)
    os.close(next_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, hard))
    try:
        with trio.move_on_after(0.05) as scope:
            await listener.accept()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert scope.cancelled_caught, "it waits on"
    accepted = await listener.accept()
    for opened in (client, accepted, listener):
        await opened.aclose()


@given(st.lists(st.binary(max_size=5)), st.lists(st.integers(1, 12)))
def test_whatever_part_the_kernel_takes_the_rest_is_what_remains(buffers: list[bytes], parts: list[int]) -> None:
    whole, unsent, first = b"".join(buffers), list(buffers), 0
    for part in [*parts, len(whole)]:
        rest = b"".join(unsent[first:])
        sent = min(part, len(rest))
        first = tcp._advance(unsent, first, sent)
        assert b"".join(unsent[first:]) == rest[sent:]
    assert first == len(unsent)


@pytest.mark.real_clock
@pytest.mark.parametrize("can_cut", [True, False])
async def test_datagrams_sent_at_once_arrive_as_they_were(can_cut: bool) -> None:
    network = RealNetwork()
    here, there = await network.open_udp(LOCAL4), await network.open_udp(LOCAL4)
    here._can_cut = can_cut
    lengths = [1472] * 100 + [9, 20, 20, 20, 1, 30, 548, 548, 7, 7]
    sent = [bytes([number]) * length for number, length in enumerate(lengths)]
    assert here.send_many(sent, there.local)
    received: list[bytes] = []
    while len(received) < len(sent):
        received += [datagram.data for datagram in await there.receive_batch()]
    assert received == sent
    await there.aclose()
    await here.aclose()
    assert not here.send_many(sent, there.local)


@pytest.mark.real_clock
@pytest.mark.parametrize("local", [LOCAL4, pytest.param(LOCAL6, marks=needs_ipv6)])
async def test_what_may_be_sent_in_fragments_arrives_whole(local: Endpoint) -> None:
    network = RealNetwork()
    here, there = await network.open_udp(local), await network.open_udp(local)
    assert here.send_in_fragments(bytes(1472), there.local)
    assert here.send(bytes(1473), there.local)
    received: list[bytes] = []
    while len(received) < 2:
        received += [datagram.data for datagram in await there.receive_batch()]
    assert list(map(len, received)) == [1472, 1473]
    for udp in (here, there):
        await udp.aclose()
    assert not here.send_in_fragments(b"x", there.local)
