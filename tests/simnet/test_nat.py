"""Routers that translate addresses, and what they let in."""

from __future__ import annotations

from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.simnet import Fabric, Host, NatKind
from magnetite.simnet.datagrams import SimDatagramSocket
from magnetite.simnet.nat import MAPPING_TIMEOUT, MAX_MAPPINGS, MIX, Nat, draw_kind

ROUTER, PORT = "88.1.1.1", 6881
INSIDE = Endpoint("10.0.0.1", PORT)
FRIEND, SAME_HOST, STRANGER = Endpoint("20.0.0.1", 1), Endpoint("20.0.0.1", 2), Endpoint("30.0.0.1", 1)

LETS_IN = {  # after something was sent to FRIEND, to the port it saw: from FRIEND, SAME_HOST and STRANGER
    NatKind.FULL_CONE: (True, True, True),
    NatKind.RESTRICTED: (True, True, False),
    NatKind.PORT_RESTRICTED: (True, False, False),
    NatKind.SYMMETRIC: (True, False, False),
    NatKind.FIREWALL: (True, False, False),
}


def router(kind: NatKind) -> Nat:
    return Nat(ROUTER, kind, Random(0))


@pytest.mark.parametrize("kind", LETS_IN)
def test_who_is_let_in_depends_on_the_kind(kind: NatKind) -> None:
    nat = router(kind)
    assert nat.inbound(FRIEND, PORT, 0.0) is None, "nobody before something was sent"
    seen = nat.outbound(INSIDE, FRIEND, 0.0)
    assert seen.ip == ROUTER
    let_in = tuple(nat.inbound(source, seen.port, 1.0) == INSIDE for source in (FRIEND, SAME_HOST, STRANGER))
    assert let_in == LETS_IN[kind]


@pytest.mark.parametrize("kind", LETS_IN)
def test_everybody_sees_the_same_port_but_behind_a_symmetric_router(kind: NatKind) -> None:
    nat = router(kind)
    seen = {nat.outbound(INSIDE, to, 0.0) for to in (FRIEND, SAME_HOST, STRANGER)}
    assert len(seen) == (3 if kind is NatKind.SYMMETRIC else 1)
    if kind is not NatKind.SYMMETRIC:
        assert seen == {Endpoint(ROUTER, PORT)}, "and that is the inside port, if it is free"


def test_hosts_that_share_a_router_get_different_ports() -> None:
    nat = router(NatKind.PORT_RESTRICTED)
    seen = [nat.outbound(Endpoint(f"10.0.0.{host}", PORT), FRIEND, 0.0) for host in range(1, 4)]
    assert len(set(seen)) == 3
    assert [nat.inbound(FRIEND, each.port, 0.0) for each in seen] == [(f"10.0.0.{host}", PORT) for host in range(1, 4)]


@pytest.mark.parametrize("kind", LETS_IN)
def test_a_mapping_is_forgotten_when_nothing_was_sent_for_a_while(kind: NatKind) -> None:
    nat = router(kind)
    port = nat.outbound(INSIDE, FRIEND, 0.0).port
    nat.outbound(INSIDE, FRIEND, 50.0)
    assert nat.inbound(FRIEND, port, 50.0 + MAPPING_TIMEOUT) == INSIDE, "sending keeps it"
    assert nat.inbound(FRIEND, port, 51.0 + MAPPING_TIMEOUT) is None, "receiving does not"


def test_a_filter_is_forgotten_though_the_mapping_is_kept_by_sending_elsewhere() -> None:
    nat = router(NatKind.PORT_RESTRICTED)
    nat.outbound(INSIDE, FRIEND, 0.0)
    nat.outbound(INSIDE, STRANGER, 50.0)
    assert nat.inbound(FRIEND, PORT, 70.0) is None
    assert nat.inbound(STRANGER, PORT, 70.0) == INSIDE


@pytest.mark.parametrize("kind", [NatKind.SYMMETRIC, NatKind.PORT_RESTRICTED])
def test_what_a_router_remembers_is_bounded(kind: NatKind) -> None:
    nat = router(kind)
    for number in range(MAX_MAPPINGS + 50):
        nat.outbound(INSIDE, Endpoint("20.0.0.1", number + 1), 0.0)
    assert len(nat) <= MAX_MAPPINGS
    assert nat.inbound(Endpoint("20.0.0.1", 1), PORT, 0.0) is None, "the first is forgotten"
    for number in range(MAX_MAPPINGS + 50):
        nat.outbound(Endpoint(f"10.0.{number // 250}.{number % 250}", PORT), FRIEND, 1.0)
    assert len(nat) == MAX_MAPPINGS


def test_a_forwarded_port_lets_everybody_in_and_is_the_one_others_see() -> None:
    nat = router(NatKind.SYMMETRIC)
    nat.forward(7000, INSIDE)
    assert nat.inbound(STRANGER, 7000, 0.0) == INSIDE
    assert nat.inbound_stream(7000) == INSIDE
    assert nat.outbound(INSIDE, STRANGER, 0.0) == (ROUTER, 7000)


def test_the_mix_is_one_of_all_kinds() -> None:
    assert set(MIX) == set(NatKind)
    assert sum(MIX.values()) == pytest.approx(1)
    rng = Random(1)
    drawn = [draw_kind(rng) for _ in range(5000)]
    assert all(abs(drawn.count(kind) / 5000 - share) < 0.03 for kind, share in MIX.items())


# -- on the network --------------------------------------------------------------------------------------------------


async def heard(udp: SimDatagramSocket) -> Endpoint | None:
    with trio.move_on_after(1):
        return (await udp.receive_batch())[0].source
    return None


@pytest.fixture
def outside(fabric: Fabric) -> Host:
    return fabric.host(STRANGER.ip)


@pytest.mark.parametrize("kind", LETS_IN)
async def test_a_host_behind_a_router_asks_and_is_answered(fabric: Fabric, outside: Host, kind: NatKind) -> None:
    home = fabric.host(ROUTER, nat=kind)
    assert (home.public_ip, home.ip == ROUTER) == (ROUTER, kind is NatKind.FIREWALL)
    one, other = await home.open_udp(Endpoint("0.0.0.0", PORT)), await outside.open_udp(Endpoint(outside.ip, 1))
    other.send(b"unasked", Endpoint(ROUTER, PORT))
    assert await heard(one) is None
    one.send(b"ping", other.local)
    source = await heard(other)
    assert source is not None
    assert source.ip == ROUTER
    other.send(b"pong", source)
    assert await heard(one) == other.local


async def test_hosts_behind_one_router_reach_each_other_by_their_own_addresses(fabric: Fabric, outside: Host) -> None:
    nat = fabric.nat(ROUTER, NatKind.PORT_RESTRICTED)
    hosts = [fabric.host(ip, nat=nat) for ip in ("192.168.1.2", "192.168.1.3")]
    one, other = [await host.open_udp(Endpoint(host.ip, PORT)) for host in hosts]
    one.send(b"ping", other.local)
    assert await heard(other) == one.local
    stranger = await outside.open_udp(Endpoint(outside.ip, 1))
    stranger.send(b"ping", other.local)
    assert await heard(other) is None, "which mean nothing elsewhere"
    one.send(b"ping", Endpoint(ROUTER, PORT))
    assert await heard(one) is None
    listener = await hosts[1].listen(Endpoint(hosts[1].ip, 1))
    assert (await hosts[0].connect(listener.local)).remote == listener.local


async def test_streams_lead_out_and_in_only_through_a_forwarded_port(fabric: Fabric, outside: Host) -> None:
    home = fabric.host(ROUTER, nat=NatKind.PORT_RESTRICTED)
    listener, abroad = await home.listen(Endpoint(home.ip, PORT)), await outside.listen(Endpoint(outside.ip, 1))
    stream = await home.connect(abroad.local)
    accepted = await abroad.accept()
    assert accepted.remote.ip == ROUTER
    assert stream.local.ip == home.ip
    await accepted.send_all(b"hello")
    assert await stream.receive_into(bytearray(8)) == 5
    with pytest.raises(NetworkError) as silent:
        await outside.connect(Endpoint(ROUTER, PORT))
    assert silent.value.reason is Reason.CONNECT_TIMEOUT
    assert home.nat is not None
    home.nat.forward(PORT, listener.local)
    await outside.connect(Endpoint(ROUTER, PORT))
    assert (await listener.accept()).local == listener.local


async def test_another_address_of_a_router_is_seen_by_others_and_unknown_inside(fabric: Fabric, outside: Host) -> None:
    home = fabric.host(ROUTER, nat=NatKind.FULL_CONE)
    one, other = await home.open_udp(Endpoint(home.ip, PORT)), await outside.open_udp(Endpoint(outside.ip, 1))
    one.send(b"ping", other.local)
    assert await heard(other) == (ROUTER, PORT)
    fabric.move(home, "88.2.2.2")
    other.send(b"too late", Endpoint(ROUTER, PORT))
    assert await heard(one) is None
    one.send(b"ping", other.local)
    assert await heard(other) == ("88.2.2.2", PORT)


def test_one_address_is_one_hosts_or_one_routers(fabric: Fabric) -> None:
    fabric.host(ROUTER, nat=NatKind.SYMMETRIC)
    for taking in (fabric.host, lambda ip: fabric.nat(ip, NatKind.SYMMETRIC)):
        with pytest.raises(ValueError, match="already"):
            taking(ROUTER)
