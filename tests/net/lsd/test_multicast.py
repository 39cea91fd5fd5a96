"""The operating system's multicast."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from magnetite.endpoint import Endpoint, Scope, scope_of
from magnetite.errors import NetworkError, Reason
from magnetite.net.interfaces import interfaces
from magnetite.net.lsd.multicast import open_multicast

pytestmark = pytest.mark.real_clock

GROUP4, GROUP6 = Endpoint("239.192.152.143", 6779), Endpoint("ff15::efc0:988f", 6779)  # not BEP 14's: others may listen
LO = 1  # index of the loopback interface


def own_ipv6() -> tuple[str, int]:
    """An address and its interface; the loopback one has no route to groups of IPv6."""
    for each in interfaces():
        for ip in each.ips:
            if ":" in ip and scope_of(ip) in (Scope.PRIVATE, Scope.GLOBAL):
                return ip, each.index
    pytest.skip("no IPv6 here")


@pytest.mark.parametrize("group", [GROUP4, GROUP6])
async def test_what_one_says_all_hear_with_its_address(group: Endpoint) -> None:
    ip, index = ("127.0.0.1", LO) if group is GROUP4 else own_ipv6()
    async with (
        aclosing(await open_multicast(group, ip, index)) as one,
        aclosing(await open_multicast(group, ip, index)) as two,
    ):
        assert one.send(b"anybody there?")
        for each in (one, two):
            [(data, source)] = await each.receive_batch()
            assert (data, source.ip) == (b"anybody there?", ip)


async def test_an_address_that_is_not_ours_cannot_be_joined_with() -> None:
    with pytest.raises(NetworkError) as refused:
        await open_multicast(GROUP4, "192.0.2.1", LO)
    assert refused.value.reason is Reason.ADDRESS_UNAVAILABLE
