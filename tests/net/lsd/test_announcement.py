"""Announcements of BEP 14, and what other clients make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import RemoteProtocolError
from magnetite.ids import InfoHash
from magnetite.net.lsd.announcement import (
    GROUP4,
    GROUP6,
    MOST,
    MOST_READ,
    Announcement,
    decode_announcement,
    encode_announcement,
)

ONE = InfoHash(0x0123456789ABCDEF0123456789ABCDEF01234567)
HEX = b"0123456789abcdef0123456789abcdef01234567"

announcements = st.builds(
    Announcement,
    st.integers(1, 65535),
    st.lists(st.integers(0, (1 << 160) - 1).map(InfoHash), min_size=1, max_size=MOST, unique=True).map(tuple),
    st.from_regex(rb"[0-9a-f]{0,16}", fullmatch=True),
)


def test_an_announcement_is_that_of_the_bep() -> None:
    said = encode_announcement(Announcement(6881, (ONE,), b"abc"), GROUP4)
    assert said == (
        b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: " + HEX + b"\r\ncookie: abc"
        b"\r\n\r\n\r\n"
    )
    assert b"\r\nHost: [ff15::efc0:988f]:6771\r\n" in encode_announcement(Announcement(6881, (ONE,)), GROUP6)


@given(announcements, st.sampled_from([GROUP4, GROUP6]))
def test_what_is_announced_is_what_is_heard_in_one_datagram_that_fits(announcement: Announcement, group) -> None:
    data = encode_announcement(announcement, group)
    assert len(data) <= 1400
    assert decode_announcement(data) == announcement


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda data: b"BT-SEARCH * HTTP/1.1\r\n" + data)))
def test_any_bytes_are_an_announcement_or_a_protocol_error(data: bytes) -> None:
    try:
        said = decode_announcement(data)
    except RemoteProtocolError:
        return
    assert 0 < said.port < 1 << 16
    assert said.info_hashes


def test_other_clients_headers_case_and_spaces_do_not_matter() -> None:
    said = b"BT-SEARCH * HTTP/1.1\r\nhost: x\r\nPORT:7001\r\nX-New: y\r\ninfohash:  " + HEX.upper() + b"\r\n\r\n"
    assert decode_announcement(said) == Announcement(7001, (ONE,))


def test_info_hashes_that_are_none_are_passed_over_and_many_are_not_read() -> None:
    hashes = b"".join(b"Infohash: %040x\r\n" % number for number in range(MOST_READ + 50))
    said = decode_announcement(b"BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: short\r\n" + hashes)
    assert len(said.info_hashes) == MOST_READ


@pytest.mark.parametrize("port", [b"", b"0", b"65536", b"-1", b"6881x", b"\xc2\xb2", b"9" * 5000])
def test_a_port_that_is_none_is_a_protocol_error(port: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_announcement(b"BT-SEARCH * HTTP/1.1\r\nPort: " + port + b"\r\nInfohash: " + HEX + b"\r\n")
