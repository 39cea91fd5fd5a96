"""One port for all addresses, for TCP and UDP."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.ports import open_ports
from magnetite.net.real import RealNetwork
from magnetite.simnet import Fabric
from tests.net.test_real import needs_ipv6
from tests.net.two_homed import TwoHomed

IP4, IP6 = "20.0.0.1", "2a00::1"


@pytest.fixture
def machine(fabric: Fabric) -> TwoHomed:
    return TwoHomed(fabric, IP4, IP6)


async def test_without_addresses_it_is_present_in_both_families_on_one_port(machine: TwoHomed) -> None:
    async with open_ports(machine, None, None) as ports:
        assert ports.local == (Endpoint("0.0.0.0", 6881), Endpoint("::", 6881))
        assert tuple(listener.local for listener in ports.listeners) == ports.local


async def test_without_addresses_a_family_that_the_machine_lacks_is_left_out(fabric: Fabric) -> None:
    async with open_ports(fabric.host(IP4), None, 7000) as ports:
        assert ports.local == (Endpoint("0.0.0.0", 7000),)
    async with open_ports(fabric.host(IP6), None, 7000) as ports:
        assert ports.local == (Endpoint("::", 7000),)


async def test_of_the_usual_ports_the_first_is_taken_that_is_free_everywhere(machine: TwoHomed) -> None:
    async with AsyncExitStack() as stack:
        for number, (network, opening) in enumerate(
            [(host, opening) for host in machine.hosts.values() for opening in (host.open_udp, host.listen)]
        ):
            taken = await opening(Endpoint(network.ip, 6881 + number))
            stack.push_async_callback(taken.aclose)
        ports = await stack.enter_async_context(open_ports(machine, None, None))
        assert {local.port for local in ports.local} == {6885}


async def test_any_port_means_the_same_one_everywhere(machine: TwoHomed) -> None:
    first = await machine.hosts[False].open_udp(Endpoint(IP4, 0))
    taken = await machine.hosts[True].listen(Endpoint(IP6, first.local.port + 1))  # the next the network would choose
    async with open_ports(machine, [IP4, IP6], 0) as ports:
        [port] = {each.local.port for each in (*ports.sockets, *ports.listeners)}
        assert port != taken.local.port
    await first.aclose()
    await taken.aclose()


async def test_an_address_that_was_named_and_is_not_ours_is_an_error_and_nothing_stays_open(
    machine: TwoHomed,
) -> None:
    for _ in range(2):
        with pytest.raises(NetworkError, match="2a00::2") as refused:
            async with open_ports(machine, [IP4, "2a00::2"], 6881):
                pass
        assert refused.value.reason is Reason.ADDRESS_UNAVAILABLE
    async with open_ports(machine, [IP4], 6881, listen=False) as ports:
        assert not ports.listeners


@needs_ipv6
@pytest.mark.real_clock
async def test_on_this_machine_both_families_share_a_port() -> None:
    async with open_ports(RealNetwork(), None, 0) as ports:
        assert {local.ip for local in ports.local} == {"0.0.0.0", "::"}
        assert len({each.local.port for each in (*ports.sockets, *ports.listeners)}) == 1
