from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.crc32c import crc32c
from magnetite.endpoint import Endpoint
from magnetite.swarm.peer_priority import peer_priority

v4 = st.builds(Endpoint, st.ip_addresses(v=4).map(str), st.integers(1, 65535))
v6 = st.builds(Endpoint, st.ip_addresses(v=6).map(str), st.integers(1, 65535))


def priority(one: str, other: str) -> int:
    return peer_priority(Endpoint(one, 6881), Endpoint(other, 6882))


def test_the_examples_of_bep_40_and_the_check_value_of_crc_32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert priority("123.213.32.10", "98.76.54.32") == 0xEC2D7224
    assert priority("123.213.32.10", "123.213.32.234") == 0x99568189


def test_hosts_of_one_16_are_told_apart_by_one_more_byte() -> None:
    assert priority("123.213.32.10", "123.213.33.11") == crc32c(bytes([123, 213, 32, 0, 123, 213, 33, 1]))


@pytest.mark.parametrize(
    ("other", "mask"),
    [
        ("2001:db8:1:ffff:ffff:ffff:ffff:ffff", "ffff ffff ffff 5555 5555 5555 5555 5555"),
        ("2001:db8:0:ffff:ffff:ffff:ffff:ffff", "ffff ffff ffff ff55 5555 5555 5555 5555"),
        ("2001:db8:0:ff:ffff:ffff:ffff:ffff", "ffff ffff ffff ffff 5555 5555 5555 5555"),
        ("2001:db8:0:0:ffff:ffff:ffff:ffff", "ffff ffff ffff ffff ff55 5555 5555 5555"),
    ],
)
def test_ipv6_masks_grow_with_what_is_shared(other: str, mask: str) -> None:
    ours, kept = Endpoint("2001:db8::", 1), bytes.fromhex(mask)
    theirs = Endpoint(other, 1)
    masked = [bytes(a & b for a, b in zip(each.compact(), kept, strict=False)) for each in (ours, theirs)]
    assert peer_priority(ours, theirs) == crc32c(b"".join(sorted(masked)))


def test_one_address_is_told_apart_by_its_ports() -> None:
    assert priority("10.0.0.1", "10.0.0.1") == crc32c(bytes.fromhex("1ae11ae2"))


@given(st.tuples(v4, v4) | st.tuples(v6, v6))
def test_both_sides_agree(pair: tuple[Endpoint, Endpoint]) -> None:
    assert peer_priority(*pair) == peer_priority(*reversed(pair)) < 1 << 32
