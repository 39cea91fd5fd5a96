"""ut_holepunch messages, against the layout of BEP 55."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.errors import RemoteProtocolError
from magnetite.wire.holepunch import (
    Connect,
    Failed,
    PunchError,
    Rendezvous,
    decode_holepunch,
    encode_holepunch,
)

ONE = Endpoint("198.51.100.7", 6881)
SIX = Endpoint("2001:db8::7", 6881)
endpoints = st.sampled_from([6, 18]).flatmap(lambda size: st.binary(min_size=size, max_size=size)).map(decode_endpoint)
messages = st.one_of(
    st.builds(Rendezvous, endpoints),
    st.builds(Connect, endpoints),
    st.builds(Failed, endpoints, st.integers(0, (1 << 32) - 1)),
)


def test_messages_are_those_of_the_bep() -> None:
    assert encode_holepunch(Rendezvous(ONE)).hex() == "00" + "00" + "c6336407" + "1ae1" + "00000000"
    assert encode_holepunch(Connect(SIX)).hex() == "01" + "01" + "20010db8" + "00" * 11 + "07" + "1ae1" + "00000000"
    assert encode_holepunch(Failed(ONE, PunchError.NO_SUPPORT)).hex() == "0200c63364071ae100000003"


@given(messages)
def test_what_is_encoded_is_what_is_decoded(message) -> None:
    assert decode_holepunch(encode_holepunch(message)) == message


def test_an_error_code_may_be_left_out_where_there_is_no_error() -> None:
    assert decode_holepunch(encode_holepunch(Rendezvous(ONE))[:-4]) == Rendezvous(ONE)


def test_a_type_that_is_unknown_is_no_message() -> None:
    assert decode_holepunch(b"\x07" + encode_holepunch(Connect(ONE))[1:]) is None


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x00\x02" + bytes(10), b"\x00\x00" + bytes(5), bytes(13)])
def test_what_is_no_message_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_holepunch(payload)


@given(st.binary(max_size=30))
def test_any_bytes_are_a_message_or_a_protocol_error(payload: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode_holepunch(payload)
