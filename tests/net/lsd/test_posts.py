from __future__ import annotations

from magnetite.endpoint import Endpoint
from magnetite.net.interfaces import Interface
from magnetite.net.lsd.announcement import GROUP4, GROUP6
from magnetite.net.lsd.posts import Post, posts_of
from magnetite.net.used import used_interfaces

LO = Interface("lo", 1, ("127.0.0.1", "::1"))
HOME = Interface("eth0", 2, ("192.168.7.2", "2001:db8:1::2", "2a02:8070:1::2", "fe80::1"))
RACK = Interface("eth1", 3, ("93.184.216.34", "2606:2800:220::1", "fe80::2"))
OLD = Interface("eth2", 4, ("169.254.7.7", "fe80::3"))
ALL = [LO, HOME, RACK, OLD]


def test_the_neighbourhood_is_where_addresses_are_private() -> None:
    assert posts_of(ALL) == [Post(GROUP4, "192.168.7.2", 2), Post(GROUP6, "2001:db8:1::2", 2)]
    assert posts_of([Interface("eth0", 2, ("fd00::7", "fe80::1"))]) == [Post(GROUP6, "fd00::7", 2)]


def test_only_what_our_sockets_are_bound_to_is_used() -> None:
    everywhere = [Endpoint("0.0.0.0", 1), Endpoint("::", 1)]
    assert used_interfaces(ALL, everywhere) == ALL
    assert used_interfaces(ALL, everywhere, "eth1") == [RACK]
    assert used_interfaces(ALL, everywhere, "tun0") == []
    only = [Interface("eth0", 2, ("192.168.7.2",))]
    assert used_interfaces(ALL, [Endpoint("192.168.7.2", 1)]) == only
    assert used_interfaces(ALL, [Endpoint("0.0.0.0", 1)], "eth0") == only
