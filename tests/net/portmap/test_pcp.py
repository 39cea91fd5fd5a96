"""PCP's datagrams, against the layouts of RFC 6887."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import RemoteProtocolError
from magnetite.net.portmap.mapping import IpProtocol
from magnetite.net.portmap.pcp import Announced, Mapped, decode_reply, encode_announce, encode_map_request
from magnetite.net.portmap.refusal import Refusal

NONCE = bytes(range(12))
OWN = "00000000000000000000ffffc0a80702"  # 192.168.7.2
HEAD = "0281" + "0000" + "00000e10" + "00000064" + "00" * 12  # of an answer to MAP: 3600 s, epoch 100
MAPPING = NONCE.hex() + "06000000" + "1ae1" + "1ae2" + "00000000000000000000ffffc6336407"


def test_requests_are_those_of_the_rfc() -> None:
    assert encode_announce("192.168.7.2").hex() == "02000000" + "00000000" + OWN
    request = encode_map_request("192.168.7.2", NONCE, IpProtocol.TCP, 6881, 6882, 3600)
    no_address = "00000000000000000000ffff00000000"
    assert request.hex() == "02010000" + "00000e10" + OWN + NONCE.hex() + "06000000" + "1ae1" + "1ae2" + no_address
    assert encode_announce("fd00::1").hex().endswith("fd" + "00" * 14 + "01")


def test_answers_are_those_of_the_rfc() -> None:
    assert decode_reply(bytes.fromhex("0280" + "0000" + "00000000" + "00000064" + "00" * 12)) == Announced(100)
    mapped = decode_reply(bytes.fromhex(HEAD + MAPPING))
    assert mapped == Mapped(100, NONCE, IpProtocol.TCP, 6881, 6882, "198.51.100.7", 3600)


def test_options_behind_a_mapping_are_not_looked_at() -> None:
    assert isinstance(decode_reply(bytes.fromhex(HEAD + MAPPING + "0300000400000000")), Mapped)


def test_a_router_that_speaks_natpmp_alone_says_that_it_does_not_understand() -> None:
    assert decode_reply(bytes.fromhex("00800001" + "00000064")) == Refusal(100, 0, 1, "unsupported version")


def test_a_refusal_says_why() -> None:
    for result, text in ((8, "out of resources"), (200, "PCP result 200")):
        refusal = bytes.fromhex("0281" + f"{result:04x}" + "0000001e" + "00000064" + "00" * 12)
        assert decode_reply(refusal) == Refusal(100, 1, result, text)


@pytest.mark.parametrize("data", [encode_announce("192.168.7.2"), bytes.fromhex(HEAD), bytes.fromhex(HEAD) * 100])
def test_what_is_no_answer_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_reply(data)


@given(st.one_of(st.binary(max_size=70), st.binary(min_size=24, max_size=70).map(lambda data: b"\x02\x81" + data[2:])))
def test_any_bytes_are_an_answer_or_a_protocol_error(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode_reply(data)
