"""Nothing is sent from an address that we are not bound to."""

from __future__ import annotations

import pytest

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.bound import BoundNetwork
from magnetite.net.real import RealNetwork
from magnetite.simnet import Fabric
from tests.net.two_homed import TwoHomed


@pytest.mark.real_clock
async def test_streams_are_dialled_from_the_bound_address() -> None:
    listener = await RealNetwork().listen(Endpoint("127.0.0.1", 0))
    stream = await BoundNetwork(RealNetwork(), ["127.0.0.9", "127.0.0.8"]).connect(listener.local)
    assert stream.local.ip == "127.0.0.9"
    await stream.aclose()
    await listener.aclose()


@pytest.mark.real_clock
async def test_a_socket_of_no_address_in_particular_gets_the_bound_one() -> None:
    network = BoundNetwork(RealNetwork(), ["127.0.0.9"])
    for opening in (network.open_udp, network.listen):
        opened = await opening(Endpoint("0.0.0.0", 0))
        assert opened.local.ip == "127.0.0.9"
        await opened.aclose()


async def test_the_family_that_nothing_is_bound_in_is_not_used(fabric: Fabric) -> None:
    network = BoundNetwork(TwoHomed(fabric, "20.0.0.1", "2a00::1"), ["20.0.0.1"])
    with pytest.raises(NetworkError) as failed:
        await network.connect(Endpoint("2a00::2", 6881))
    assert failed.value.reason is Reason.UNREACHABLE
    for opening in (network.open_udp, network.listen):
        with pytest.raises(NetworkError) as failed:
            await opening(Endpoint("::", 6881))
        assert failed.value.reason is Reason.ADDRESS_UNAVAILABLE
