"""Virtual UDP, and the ports and addresses of hosts."""

from __future__ import annotations

import pytest
import trio

from magnetite import simnet
from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.base import Datagram
from magnetite.simnet import Fabric, Link, VirtualClock
from magnetite.simnet.datagrams import QUEUE_BYTES, SimDatagramSocket

A, B = Endpoint("10.0.0.1", 1000), Endpoint("10.0.0.2", 2000)


@pytest.fixture
def hosts(fabric: Fabric) -> tuple[simnet.Host, simnet.Host]:
    return fabric.host(A.ip), fabric.host(B.ip)


Hosts = tuple[simnet.Host, simnet.Host]


async def arrivals(udp: SimDatagramSocket, until: float) -> list[tuple[float, bytes]]:
    """Every datagram until the end of a virtual second, with its time."""
    seen: list[tuple[float, bytes]] = []
    with trio.move_on_at(until):
        while True:
            seen += [(round(trio.current_time(), 6), datagram.data) for datagram in await udp.receive_batch()]
    return seen


async def test_a_datagram_arrives_after_the_latency_from_its_senders_address(hosts: Hosts) -> None:
    a, b = await hosts[0].open_udp(A), await hosts[1].open_udp(B)
    assert a.send(b"ping", B)
    assert await b.receive_batch() == [Datagram(b"ping", A)]
    assert trio.current_time() == 0.02


async def test_a_socket_on_every_address_sends_from_the_hosts_own(hosts: Hosts) -> None:
    a, b = await hosts[0].open_udp(Endpoint("0.0.0.0", 1000)), await hosts[1].open_udp(B)
    assert a.local == ("0.0.0.0", 1000)
    a.send(b"ping", B)
    assert (await b.receive_batch())[0].source == A


async def test_what_is_sent_to_nobody_is_lost_without_a_sign(hosts: Hosts) -> None:
    a = await hosts[0].open_udp(A)
    assert a.send(b"no socket there", B)
    assert a.send(b"no host there", Endpoint("10.9.9.9", 1))
    assert await arrivals(a, until=1) == []


async def test_a_link_delays_by_its_rate_each_way_and_keeps_the_order(fabric: Fabric) -> None:
    a = await fabric.host(A.ip, Link(up=1000)).open_udp(A)
    b = await fabric.host(B.ip, Link(down=500)).open_udp(B)
    for byte in (b"1", b"2", b"3"):
        a.send(byte * 100, B)
    times = [time for time, _ in await arrivals(b, until=5)]
    assert times == [0.32, 0.52, 0.72]  # 0.1 s up, 0.02 s on the way, 0.2 s down, and then the slower line's pace


async def test_a_link_drops_datagrams_that_would_wait_too_long(fabric: Fabric) -> None:
    a = await fabric.host(A.ip, Link(up=1000)).open_udp(A)
    b = await fabric.host(B.ip).open_udp(B)
    for _ in range(10):
        a.send(bytes(1000), B)
    assert len(await arrivals(b, until=60)) == 4  # the fourth waits 3 s


async def test_datagrams_can_be_handed_over_as_they_arrive_without_a_task(hosts: Hosts) -> None:
    a, b = await hosts[0].open_udp(A), await hosts[1].open_udp(B)
    seen: list[tuple[float, bytes, Endpoint]] = []
    b.on_datagram(lambda data, source: seen.append((trio.current_time(), data, source)))
    a.send(b"one", B)
    await trio.sleep(1)
    a.send(b"two", B)
    await trio.sleep(1)
    assert seen == [(0.02, b"one", A), (1.02, b"two", A)]
    await b.aclose()
    a.send(b"to nobody", B)
    await trio.sleep(1)
    assert len(seen) == 2


async def test_a_socket_nobody_reads_keeps_only_so_much(hosts: Hosts) -> None:
    a, b = await hosts[0].open_udp(A), await hosts[1].open_udp(B)
    for _ in range(100):
        a.send(bytes(QUEUE_BYTES // 64), B)
    await trio.sleep(1)
    received = await b.receive_batch()
    assert len(received) == 64
    a.send(b"room again", B)
    assert await b.receive_batch() == [Datagram(b"room again", A)]


async def test_ports_are_given_out_while_there_are_any(hosts: Hosts) -> None:
    opened = [await hosts[0].open_udp(Endpoint(A.ip, 0)) for _ in range(100)]
    assert len({udp.local for udp in opened}) == 100
    assert all(udp.local.port >= 49152 for udp in opened)


async def test_an_unplugged_host_is_told_when_it_sends_and_hears_nothing(hosts: Hosts) -> None:
    a, b = await hosts[0].open_udp(A), await hosts[1].open_udp(B)
    hosts[1].unplug()
    assert not b.send(b"anybody?", A)
    assert a.send(b"lost", B)
    assert await arrivals(b, until=1) == []
    with pytest.raises(NetworkError) as unknown:
        await hosts[1].resolve("some.name", 1)
    assert unknown.value.reason is Reason.NAME_NOT_FOUND
    hosts[1].plug()
    a.send(b"here again", B)
    assert await arrivals(b, until=2) == [(1.02, b"here again")]


async def test_a_crash_ends_the_sockets_of_a_host_and_a_restart_frees_its_ports(hosts: Hosts) -> None:
    a, b = await hosts[0].open_udp(A), await hosts[1].open_udp(B)
    a.send(b"on its way", B)
    hosts[1].crash()
    with pytest.raises(NetworkError):
        await b.receive_batch()
    assert not b.send(b"x", A)
    with pytest.raises(NetworkError) as down:
        await hosts[1].open_udp(B)
    assert down.value.reason is Reason.ADDRESS_UNAVAILABLE
    hosts[1].restart()
    assert await arrivals(await hosts[1].open_udp(B), until=0.01) == []


async def test_two_hosts_cannot_have_one_address(fabric: Fabric) -> None:
    fabric.host(A.ip)
    with pytest.raises(ValueError, match="already"):
        fabric.host(A.ip)


async def test_names_resolve_to_what_the_fabric_says(fabric: Fabric) -> None:
    fabric.names["router.example"] = [A.ip, "2001:db8::1"]
    host = fabric.host(B.ip)
    assert await host.resolve("router.example", 6881) == [(A.ip, 6881), ("2001:db8::1", 6881)]


async def test_ipv6_hosts_reach_each_other_and_no_ipv4_host(fabric: Fabric) -> None:
    six = await fabric.host("2001:db8::1").open_udp(Endpoint("::", 1))
    other = await fabric.host("2001:db8::2").open_udp(Endpoint("2001:db8::2", 1))
    assert six.send(b"ping", other.local)
    assert await other.receive_batch() == [Datagram(b"ping", Endpoint("2001:db8::1", 1))]
    assert not six.send(b"ping", B)


def test_a_run_that_is_not_under_the_fabrics_clock_is_told_at_once(fabric: Fabric) -> None:
    host = fabric.host(A.ip)
    with pytest.raises(RuntimeError, match="clock"):
        simnet.run(host.open_udp, A, clock=VirtualClock())
