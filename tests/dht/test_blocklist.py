from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, summarize_address_range

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht.blocklist import Blocklist, parse_blocklist

V4 = st.integers(0, 2**32 - 1)
V6 = st.integers(0, 2**128 - 1).filter(lambda number: number >> 32 != 0xFFFF)


@pytest.mark.parametrize(
    ("line", "inside", "outside"),
    [
        ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0"]),
        ("192.0.2.77/24", ["192.0.2.0", "192.0.2.255"], ["192.0.3.0"]),
        ("192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
        ("192.0.2.7-192.0.2.9", ["192.0.2.7", "192.0.2.9"], ["192.0.2.6", "192.0.2.10"]),
        ("  192.0.2.7 - 192.0.2.9  # these", ["192.0.2.8"], ["192.0.2.10"]),
        ("192.0.2.7 ; once", ["192.0.2.7"], ["192.0.2.8"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::1"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff::"], ["2001:db9::", "32.1.13.184"]),
        ("2001:db8::1", ["2001:db8::1"], ["2001:db8::2"]),
        ("2001:db8::1-2001:db8::5", ["2001:db8::5"], ["2001:db8::6"]),
        ("Some: firm, Inc. #2 // x:192.0.2.7-192.0.2.9", ["192.0.2.8"], ["192.0.2.10"]),
        ("192.000.002.007 - 192.000.002.009 , 000 , Some, firm", ["192.0.2.7", "192.0.2.9"], ["192.0.2.10"]),
        ("192.000.002.007 - 192.000.002.009 , 127 , firm", ["192.0.2.7"], []),
        ("192.000.002.007 - 192.000.002.009 , 200 , allowed", [], ["192.0.2.7"]),
        ("::ffff:192.0.2.0/120", ["192.0.2.255", "::ffff:192.0.2.1"], ["192.0.3.0"]),
        ("192.0.2.0/24", ["::ffff:192.0.2.1"], ["::ffff:192.0.3.1"]),
        ("# nothing", [], ["192.0.2.7"]),
        ("", [], ["192.0.2.7"]),
    ],
)
def test_a_line_blocks_what_it_names_and_nothing_else(line: str, inside: list[str], outside: list[str]) -> None:
    blocklist = parse_blocklist([line])
    assert [ip for ip in inside if not blocklist.blocks(ip)] == []
    assert [ip for ip in outside if blocklist.blocks(ip)] == []


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "192.0.2.256",
        "192.0.2",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/",
        "192.0.2.0/8/8",
        "192.0.2.9-192.0.2.7",
        "192.0.2.7-2001:db8::1",
        "192.0.2.7-",
        "2001:db8::/129",
        "::ffff:192.0.2.0/95",
        "fe80::1%eth0",
        "name:",
        "\0",
        "1.2.3.4 , x",
        "\udcff",
        "9" * 5000,
        "1.2.3.4/" + "9" * 5000,
    ],
)
def test_what_is_no_address_is_an_error_that_names_the_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 3: ") as caught:
        parse_blocklist(["# list", "192.0.2.7", line])
    assert len(str(caught.value)) < 250


@given(st.lists(st.text(max_size=50), max_size=5))
def test_any_text_is_a_list_or_an_error(lines: list[str]) -> None:
    with suppress(ValueError):
        parse_blocklist(lines)


@given(st.lists(st.tuples(V4, V4).map(sorted), max_size=20), st.lists(V4, max_size=20))
def test_ranges_that_overlap_block_what_any_of_them_does(ranges: list[list[int]], numbers: list[int]) -> None:
    blocklist = parse_blocklist(f"{IPv4Address(first)}-{IPv4Address(last)}" for first, last in ranges)
    edges = [edge for first, last in ranges for edge in (first, last, first - 1, last + 1) if 0 <= edge < 2**32]
    for number in numbers + edges:
        assert blocklist.blocks(str(IPv4Address(number))) == any(first <= number <= last for first, last in ranges)


@given(V6, st.integers(0, 128), V6)
def test_networks_of_ipv6_block_what_the_library_says(number: int, length: int, other: int) -> None:
    blocklist = parse_blocklist([f"{IPv6Address(number)}/{length}"])
    assert blocklist.blocks(str(IPv6Address(number)))
    assert blocklist.blocks(str(IPv6Address(other))) == (other >> (128 - length) == number >> (128 - length))


@given(V4, V4)
def test_a_range_is_the_same_as_the_networks_it_consists_of(one: int, other: int) -> None:
    first, last = sorted([one, other])
    networks = summarize_address_range(ip_address(first), ip_address(last))
    assert len(parse_blocklist(map(str, networks))) == 1, "they touch"


def test_an_empty_list_blocks_nobody_and_asks_nothing() -> None:
    assert len(Blocklist()) == 0
    assert not Blocklist().blocks("192.0.2.7")


@pytest.mark.parametrize("text", ["", "nonsense", "fe80::1%eth0", "1.2.3", "\0", "\udcff"])
def test_text_that_is_no_address_is_on_no_list(text: str) -> None:
    assert not parse_blocklist(["0.0.0.0/0", "::/0"]).blocks(text)
