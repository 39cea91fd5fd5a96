"""Tied to an interface: where sockets belong, and what becomes of them when it goes and comes back."""

from __future__ import annotations

from socket import IPPROTO_IP, SOL_SOCKET

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.events import Event, InterfaceLost, InterfaceReturned
from magnetite.net.interfaces import Interface, Mooring, ToAddresses, ToInterface, interfaces
from magnetite.net.real import RealNetwork
from magnetite.net.sockets import IP_UNICAST_IF, LOOPBACK, SO_BINDTODEVICE, Tie, can_tie
from magnetite.net.tethered import LOOK_EVERY, TetheredNetwork
from magnetite.simnet import Fabric, Host

OURS, OTHER = "20.0.0.1", "20.0.0.2"
LOCAL4 = Endpoint("127.0.0.1", 0)
TUN = Interface("tun0", 5, ("10.8.0.2", OURS, "fe80::1", "2a00::1"))
ETH = Interface("eth0", 2, ("192.168.1.5",))
needs_ties = pytest.mark.skipif(not can_tie(), reason="this system ties no sockets to interfaces")


# -- where a socket belongs -------------------------------------------------------------------------------------------


def test_a_socket_is_tied_to_the_interface_that_is_named_and_to_no_other_of_that_name_later() -> None:
    tether = ToInterface("tun0", can_tie=True)
    assert tether.moor("0.0.0.0", [ETH, TUN]) == Mooring("0.0.0.0", Tie("tun0", 5), 5)
    assert tether.moor("::", [ETH, Interface("tun0", 6, ())]) == Mooring("::", Tie("tun0", 6), 6)
    assert tether.moor("0.0.0.0", [ETH]) is None
    assert tether.moor("192.168.1.5", [ETH, TUN]) is None, "that is an address of another"


def test_where_sockets_cannot_be_tied_they_get_an_address_of_the_interface() -> None:
    tether = ToInterface("tun0", can_tie=False)
    assert tether.moor("0.0.0.0", [ETH, TUN]) == Mooring("10.8.0.2", None, 5)
    assert tether.moor("::", [ETH, TUN]) == Mooring("2a00::1", None, 5), "not the one of the link alone"
    assert tether.moor(OURS, [ETH, TUN]) == Mooring(OURS, None, 5)
    assert tether.moor("::", [Interface("tun0", 5, ("10.8.0.2",))]) is None


def test_an_address_leads_to_the_interface_that_has_it() -> None:
    tether = ToAddresses(can_tie=True)
    assert tether.moor(OURS, [ETH, TUN]) == Mooring(OURS, Tie("tun0", 5, is_open=True), 5)
    assert tether.moor(OURS, [ETH]) is None
    assert ToAddresses(can_tie=False).moor(OURS, [TUN]) == Mooring(OURS, None, 5)


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "127.0.0.1", "::1"])
def test_what_leaves_by_no_other_interface_anyway_is_not_tied(ip: str) -> None:
    assert ToAddresses(can_tie=True).moor(ip, []) == Mooring(ip, None, 0)


def test_this_machine_has_a_loopback_interface() -> None:
    assert any("127.0.0.1" in each.ips for each in interfaces())


# -- what becomes of sockets ------------------------------------------------------------------------------------------


class Machine:
    """A host of the virtual network, and what it says of its interfaces."""

    def __init__(self, fabric: Fabric) -> None:
        self.host = fabric.host(OURS)
        self.other = fabric.host(OTHER)
        self.interfaces = [TUN]
        self.ties: list[Tie | None] = []
        self.events: list[Event] = []
        tether = ToInterface("tun0", can_tie=True)
        self.network = TetheredNetwork(tether, lambda: self.interfaces, self._network_at, self.events.append)

    def _network_at(self, tie: Tie | None) -> Host:
        self.ties.append(tie)
        return self.host

    @property
    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.events]


@pytest.fixture
def machine(fabric: Fabric) -> Machine:
    return Machine(fabric)


async def test_a_socket_outlives_its_interface_and_sends_nothing_meanwhile(machine: Machine) -> None:
    socket = await machine.network.open_udp(Endpoint("0.0.0.0", 6881))
    other = await machine.other.open_udp(Endpoint(OTHER, 7))
    received: list[bytes] = []

    async def receive() -> None:
        while True:
            received.extend(data for data, _ in await socket.receive_batch())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.network.watch)
        nursery.start_soon(receive)
        other.send(b"one", Endpoint(OURS, 6881))
        await trio.sleep(1)
        machine.interfaces = [ETH]
        await trio.sleep(2 * LOOK_EVERY)
        assert machine.kinds == [InterfaceLost]
        assert not machine.host._udp
        assert not socket.send(b"lost", other.local)
        machine.interfaces = [ETH, Interface("tun0", 9, ())]
        await trio.sleep(2 * LOOK_EVERY)
        assert machine.kinds == [InterfaceLost, InterfaceReturned]
        assert socket.send(b"back", other.local)
        other.send(b"two", Endpoint(OURS, 6881))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert received == [b"one", b"two"]
    assert machine.ties[0] == Tie("tun0", 5)
    assert machine.ties[-1] == Tie("tun0", 9)
    await socket.aclose()
    with pytest.raises(NetworkError):
        await socket.receive_batch()
    assert not machine.host._udp
    await other.aclose()


async def test_another_interface_under_the_same_name_is_noticed_though_it_was_never_seen_away(machine: Machine) -> None:
    socket = await machine.network.open_udp(Endpoint("0.0.0.0", 6881))
    machine.interfaces = [Interface("tun0", 6, ())]
    await machine.network.look()
    assert machine.ties == [Tie("tun0", 5), Tie("tun0", 6)]
    await socket.aclose()


async def test_streams_end_with_their_interface_and_callers_are_let_in_again_when_it_is_back(machine: Machine) -> None:
    listener = await machine.network.listen(Endpoint("0.0.0.0", 6881))
    far = await machine.other.listen(Endpoint(OTHER, 7))
    outgoing = await machine.network.connect(far.local)
    caller = await machine.other.connect(Endpoint(OURS, 6881))
    incoming = await listener.accept()
    machine.interfaces = []
    await machine.network.look()
    for stream in (outgoing, incoming):
        with pytest.raises(NetworkError):
            await stream.send_all(b"leak")
    with pytest.raises(NetworkError, match="tun0 is away") as refused:
        await machine.network.connect(far.local)
    assert refused.value.reason is Reason.UNREACHABLE
    with pytest.raises(NetworkError, match="away"):
        await machine.network.resolve("router.example", 1)
    machine.interfaces = [TUN]
    await machine.network.look()
    again = await machine.other.connect(Endpoint(OURS, 6881))
    await listener.accept()
    for opened in (caller, again, listener, far):
        await opened.aclose()
    assert not machine.host._listeners


async def test_a_port_that_somebody_took_meanwhile_is_tried_again_until_it_is_free(machine: Machine) -> None:
    socket = await machine.network.open_udp(Endpoint("0.0.0.0", 6881))
    machine.interfaces = []
    await machine.network.look()
    squatter = await machine.host.open_udp(Endpoint("0.0.0.0", 6881))
    machine.interfaces = [TUN]
    await machine.network.look()
    assert not socket.send(b"x", Endpoint(OTHER, 7))
    await squatter.aclose()
    await machine.network.look()
    assert socket.send(b"x", Endpoint(OTHER, 7))
    await socket.aclose()


async def test_an_interface_that_is_not_there_at_the_start_is_an_error_that_names_those_that_are(
    machine: Machine,
) -> None:
    machine.interfaces = [ETH]
    for opening in (machine.network.open_udp, machine.network.listen):
        with pytest.raises(NetworkError, match=r"interface tun0 is not there.*eth0") as refused:
            await opening(Endpoint("0.0.0.0", 6881))
        assert refused.value.reason is Reason.ADDRESS_UNAVAILABLE


# -- the operating system's --------------------------------------------------------------------------------------------


@needs_ties
@pytest.mark.real_clock
async def test_every_kind_of_socket_is_tied() -> None:
    """That nothing passes by another interface is the kernel's doing; see the tests with two links."""
    index = next(each.index for each in interfaces() if each.name == LOOPBACK)
    network = RealNetwork(Tie(LOOPBACK, index))
    listener = await network.listen(LOCAL4)
    for opened in (listener, await network.connect(listener.local), await network.open_udp(LOCAL4)):
        assert opened._socket.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16).rstrip(b"\0") == LOOPBACK.encode()
        await opened.aclose()


@needs_ties
@pytest.mark.real_clock
async def test_a_socket_that_is_tied_openly_still_hears_this_machine() -> None:
    index = next(each.index for each in interfaces() if each.name == LOOPBACK)
    socket = await RealNetwork(Tie(LOOPBACK, index, is_open=True)).open_udp(LOCAL4)
    other = await RealNetwork().open_udp(LOCAL4)
    assert socket._socket.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, 16).rstrip(b"\0") == b""
    assert int.from_bytes(socket._socket.getsockopt(IPPROTO_IP, IP_UNICAST_IF, 4), "big") == index
    assert other.send(b"hello", socket.local)
    assert [data for data, _ in await socket.receive_batch()] == [b"hello"]
    await socket.aclose()
    await other.aclose()


@needs_ties
@pytest.mark.real_clock
async def test_an_interface_that_does_not_exist_cannot_be_tied_to() -> None:
    network = RealNetwork(Tie("nonesuch0", 4711))
    for opening in (network.open_udp, network.listen):
        with pytest.raises(NetworkError) as failed:
            await opening(Endpoint("0.0.0.0", 0))
        assert failed.value.reason is Reason.ADDRESS_UNAVAILABLE
