"""Ids that belong to an address (BEP 42)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht.security import is_valid_id, make_id
from magnetite.ids import NodeId

VECTORS = [
    ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
    ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
    ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
    ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
    ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
]


@pytest.mark.parametrize(("ip", "node_id"), VECTORS)
def test_the_vectors_of_bep_42_hold(ip: str, node_id: str) -> None:
    assert is_valid_id(int(node_id, 16), ip)
    assert not is_valid_id(int(node_id, 16) ^ 1 << 139, ip)  # the last of the 21 bits
    assert is_valid_id(int(node_id, 16) ^ 1 << 138, ip)  # the first that is free
    assert not is_valid_id(int(node_id, 16) ^ 1, ip)  # another chance has another prefix


@given(st.ip_addresses().filter(lambda ip: ip.is_global and not ip.is_multicast).map(str), st.integers(0))
def test_an_id_made_for_an_address_is_valid_there(ip: str, seed: int) -> None:
    assert is_valid_id(make_id(ip, Random(seed)), ip)


def test_an_ipv6_id_depends_on_the_high_half_of_the_address_alone() -> None:
    node_id = make_id("2001:db9:1:2::1", Random(1))
    assert is_valid_id(node_id, "2001:db9:1:2:ffff::")
    assert not is_valid_id(node_id, "2001:db9:1:3::1")


@pytest.mark.parametrize("ip", ["10.1.2.3", "127.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.1.1", "::1", "fe80::1"])
def test_addresses_that_are_not_public_are_exempt(ip: str) -> None:
    assert is_valid_id(NodeId(12345), ip)


def test_ids_of_one_address_differ(rng: Random) -> None:
    assert len({make_id("8.8.8.8", rng) for _ in range(100)}) == 100
