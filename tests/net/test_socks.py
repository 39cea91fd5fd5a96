"""The codec of SOCKS 5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.errors import LocalProtocolError, NetworkError, Reason
from magnetite.net.socks import (
    Command,
    Negotiation,
    Proxy,
    datagram_header,
    decode_datagram,
    decode_destination,
    encode_destination,
    parse_proxy,
)

PEER = Endpoint("93.184.216.34", 6881)
OPEN, KNOWN = Proxy("proxy", 1080), Proxy("proxy", 1080, "me", "secret")
endpoints = st.one_of(st.binary(min_size=6, max_size=6), st.binary(min_size=18, max_size=18)).map(decode_endpoint)
names = st.tuples(st.from_regex(r"[a-z]{1,63}\.[a-z]{2,10}", fullmatch=True), st.integers(0, 65535))


@given(endpoints | names, st.binary(max_size=20))
def test_a_destination_is_read_as_it_was_written(destination: Endpoint | tuple[str, int], rest: bytes) -> None:
    written = encode_destination(destination)
    assert decode_destination(written + rest) == (destination, len(written))


@given(endpoints, st.binary(max_size=100))
def test_a_datagram_is_read_as_it_was_written(source: Endpoint, data: bytes) -> None:
    assert decode_datagram(datagram_header(source) + data) == (source, data)


@given(st.binary(max_size=40) | st.binary(max_size=30).map(lambda data: b"\0\0\0" + data))
def test_any_datagram_is_read_or_is_none(data: bytes) -> None:
    assert decode_datagram(data) is None or decode_datagram(data)[0].port <= 0xFFFF


def test_fragments_and_datagrams_from_a_name_are_none() -> None:
    whole = datagram_header(PEER) + b"data"
    assert decode_datagram(whole[:2] + b"\1" + whole[3:]) is None
    assert decode_datagram(datagram_header(("example.org", 80)) + b"data") is None


def test_the_bytes_are_those_of_the_rfc() -> None:
    """RFC 1928, 3, 4 and 6; RFC 1929, 2."""
    talk = Negotiation(KNOWN, Command.CONNECT, PEER)
    assert talk.first == b"\x05\x02\x00\x02"
    assert talk.received(b"\x05\x02") == b"\x01\x02me\x06secret"
    assert talk.received(b"\x01\x00") == b"\x05\x01\x00\x01" + PEER.compact()
    assert talk.received(b"\x05\x00\x00\x01\x0a") == b""
    assert talk.needed == 5
    assert talk.received(b"\x00\x00\x01\x1a\xe1") == b""
    assert talk.bound == Endpoint("10.0.0.1", 6881)


def test_a_name_is_left_to_the_proxy() -> None:
    talk = Negotiation(OPEN, Command.UDP_ASSOCIATE, ("router.example", 6881))
    assert talk.first == b"\x05\x01\x00"
    assert talk.received(b"\x05\x00") == b"\x05\x03\x00\x03\x0erouter.example\x1a\xe1"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        *((code, Reason.PROXY_FAILED) for code in (1, 2, 7, 8, 200)),
        *((code, Reason.UNREACHABLE) for code in (3, 4)),
        (5, Reason.REFUSED),
        (6, Reason.CONNECT_TIMEOUT),
    ],
)
def test_a_refusal_says_whose_fault_it_is(code: int, reason: Reason) -> None:
    talk = Negotiation(OPEN, Command.CONNECT, PEER)
    talk.received(b"\5\0")
    with pytest.raises(NetworkError, match="socks5://proxy:1080") as refused:
        talk.received(bytes((5, code, 0, 1, 0)))
    assert refused.value.reason is reason


@pytest.mark.parametrize("proxy", [OPEN, KNOWN])
@given(answers=st.binary(min_size=600, max_size=600))
def test_whatever_a_proxy_answers_it_is_done_or_refused_within_262_bytes_of_reply(proxy: Proxy, answers: bytes) -> None:
    talk = Negotiation(proxy, Command.CONNECT, PEER)
    at = 0
    try:
        while talk.bound is None:
            at, start = at + talk.needed, at
            assert talk.needed > 0
            talk.received(answers[start:at])
    except NetworkError:
        pass
    assert at <= 2 + 2 + 262


@given(st.integers(0, 4), st.binary(min_size=255, max_size=255), st.integers(0, 255))
def test_a_reply_of_any_kind_of_address_is_read_to_its_end(kind: int, data: bytes, length: int) -> None:
    talk = Negotiation(OPEN, Command.CONNECT, PEER)
    talk.received(b"\5\0")
    try:
        talk.received(bytes((5, 0, 0, kind, length)))
        talk.received((data + bytes(10))[: talk.needed])
    except NetworkError:
        assert kind in (0, 2)
    else:
        assert talk.bound is not None


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("socks5://proxy", Proxy("proxy", 1080)),
        ("socks5h://127.0.0.1:9050/", Proxy("127.0.0.1", 9050)),
        ("SOCKS5://me:p%40ss%3A@proxy:1", Proxy("proxy", 1, "me", "p@ss:")),
        ("socks5://me@[2001:db8::1]:1080", Proxy("2001:db8::1", 1080, "me")),
    ],
)
def test_a_proxy_is_understood(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    "text",
    [
        *("", "proxy:1080", "http://proxy:1080", "socks4://proxy", "socks5://", "socks5://:80", "socks5://proxy:0"),
        *("socks5://proxy:99999", "socks5://proxy/path", "socks5://proxy?x", "socks5://[::1", "socks5://:secret@proxy"),
        f"socks5://{'u' * 256}@proxy",
    ],
)
def test_what_is_no_proxy_is_refused_without_showing_a_password(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="socks5://") as refused:
        parse_proxy(text)
    assert "secret" not in str(refused.value)


def test_the_password_is_never_shown() -> None:
    assert "secret" not in f"{KNOWN} {KNOWN!r}"
