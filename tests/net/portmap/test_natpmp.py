"""NAT-PMP's datagrams, against the layouts of RFC 6886."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import RemoteProtocolError
from magnetite.net.portmap.mapping import IpProtocol
from magnetite.net.portmap.natpmp import (
    ExternalAddress,
    Mapped,
    decode_reply,
    encode_address_request,
    encode_map_request,
)
from magnetite.net.portmap.refusal import Refusal


def test_requests_are_those_of_the_rfc() -> None:
    assert encode_address_request().hex() == "0000"
    assert encode_map_request(IpProtocol.UDP, 6881, 6882, 3600).hex() == "00010000" + "1ae1" + "1ae2" + "00000e10"
    assert encode_map_request(IpProtocol.TCP, 6881, 0, 0).hex() == "00020000" + "1ae1" + "0000" + "00000000"


def test_answers_are_those_of_the_rfc() -> None:
    assert decode_reply(bytes.fromhex("00800000" + "00000064" + "c6336407")) == ExternalAddress(100, "198.51.100.7")
    mapped = bytes.fromhex("00820000" + "00000064" + "1ae1" + "1ae2" + "00000e10")
    assert decode_reply(mapped) == Mapped(100, IpProtocol.TCP, 6881, 6882, 3600)


def test_a_refusal_says_why() -> None:
    for result, text in ((2, "not authorised"), (77, "NAT-PMP result 77")):
        assert decode_reply(bytes.fromhex(f"0081{result:04x}" + "00000064")) == Refusal(100, 1, result, text)


@given(st.binary(max_size=64))
def test_any_bytes_are_an_answer_or_a_protocol_error(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode_reply(data)


@pytest.mark.parametrize("request_", [encode_address_request(), encode_map_request(IpProtocol.TCP, 1, 2, 3)])
def test_a_request_is_no_answer(request_: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_reply(request_)
