"""Counting addresses without listing them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht.bloom import FILTER_LENGTH, BloomFilter, Scrape

# BEP 33, Test Vectors: 192.0.2.0 to 192.0.2.255 and 2001:db8:: to 2001:db8::3e7
VECTOR = bytes.fromhex(
    "F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE"
    "FE5EEDB1 FBFAFF67 F6ABFF5E 43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B"
    "7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14 8246C2BC 5DBFF7E7 EFDCF24F"
    "D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3"
    "FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5"
    "BFAF2E9E BFFFFEEC D67ADBF7 C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57"
    "62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB 737FFFFB FD9F6AEF FEEE76B6"
    "FD8F72EF"
)

addresses = st.ip_addresses().map(str)


def filter_of(*ips: str) -> BloomFilter:
    made = BloomFilter()
    for ip in ips:
        made.add(ip)
    return made


def test_the_example_of_bep_33_gives_its_bits_and_its_estimate() -> None:
    made = filter_of(*(f"192.0.2.{n}" for n in range(256)), *(f"2001:db8::{n:x}" for n in range(0x3E8)))
    assert bytes(made) == VECTOR
    assert made.estimate() == pytest.approx(1224.9308, abs=1e-4)


def test_an_empty_filter_counts_nobody_and_a_full_one_finitely_many() -> None:
    assert BloomFilter().estimate() == 0
    assert 6_000 < BloomFilter(b"\xff" * FILTER_LENGTH).estimate() < 10_000


@pytest.mark.parametrize("length", [0, 255, 257])
def test_a_filter_has_one_length(length: int) -> None:
    with pytest.raises(ValueError):
        BloomFilter(bytes(length))


@given(st.binary(min_size=FILTER_LENGTH, max_size=FILTER_LENGTH))
def test_a_filter_survives_the_wire(data: bytes) -> None:
    assert bytes(BloomFilter(data)) == data


@given(st.lists(addresses, max_size=30), st.lists(addresses, max_size=30))
def test_a_union_is_the_filter_of_both_and_contains_them(left: list[str], right: list[str]) -> None:
    union = filter_of(*left).union(filter_of(*right))
    assert union == filter_of(*left, *right)
    assert all(ip in union for ip in left + right)


@given(st.lists(addresses, unique=True, max_size=200))
def test_the_estimate_is_near_the_truth(ips: list[str]) -> None:
    assert filter_of(*ips).estimate() == pytest.approx(len(ips), rel=0.25, abs=6)


def test_scrapes_of_several_nodes_add_up() -> None:
    one, other = Scrape(filter_of("1.1.1.1"), filter_of("2.2.2.2")), Scrape(filter_of("1.1.1.1"), filter_of("3.3.3.3"))
    assert one.union(other) == Scrape(filter_of("1.1.1.1"), filter_of("2.2.2.2", "3.3.3.3"))
