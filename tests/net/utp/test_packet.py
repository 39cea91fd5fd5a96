"""Datagrams of uTP: what is read is what was written, and junk is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import RemoteProtocolError
from magnetite.net.utp.packet import CLOCK, HEADER, LONGEST_MASK, MODULUS, Packet, Type, decode, encode

numbers = st.integers(0, MODULUS - 1)
stamps = st.integers(0, CLOCK - 1)
masks = st.integers(0, (1 << 8 * LONGEST_MASK) - 1)


@given(st.sampled_from(Type), numbers, stamps, stamps, stamps, numbers, numbers, masks, st.binary(min_size=1))
def test_what_is_read_is_what_was_written(
    type_: Type, id_: int, stamp: int, delay: int, window: int, seq_nr: int, ack_nr: int, sack: int, payload: bytes
) -> None:
    data = encode(type_, id_, stamp, delay, window, seq_nr, ack_nr, sack, payload)
    assert decode(data) == Packet(type_, id_, stamp, delay, window, seq_nr, ack_nr, sack, payload)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_are_refused(data: bytes) -> None:
    try:
        packet = decode(data)
    except RemoteProtocolError:
        return
    assert len(packet.payload) <= len(data) - HEADER.size


@given(st.binary(max_size=60))
def test_any_bytes_behind_a_good_header_are_a_packet_or_are_refused(rest: bytes) -> None:
    head = bytearray(encode(Type.STATE, 1, 2, 3, 4, 5, 6))
    head[1] = 1
    with suppress(RemoteProtocolError):
        decode(bytes(head) + rest)


def test_bits_of_a_selective_ack_stand_in_the_order_of_bep_29() -> None:
    data = encode(Type.STATE, 1, 0, 0, 0, 0, 10, 1 << 0 | 1 << 9)  # packets 12 and 21
    assert data[20:] == bytes((0, 4, 0b00000001, 0b00000010, 0, 0))


def test_a_selective_ack_of_any_number_of_bytes_is_read() -> None:
    head = bytearray(encode(Type.STATE, 1, 0, 0, 0, 0, 10))
    head[1] = 1
    assert decode(bytes(head) + bytes((0, 3, 1, 0, 2))).sack == 1 | 1 << 17


def test_what_a_selective_ack_cannot_name_is_left_out() -> None:
    data = encode(Type.STATE, 1, 0, 0, 0, 0, 10, 1 | 1 << 5000)
    assert decode(data).sack == 1


def test_unknown_extensions_are_skipped() -> None:
    head = bytearray(encode(Type.DATA, 1, 0, 0, 0, 0, 10))
    head[1] = 3
    assert decode(bytes(head) + bytes((2, 1, 9)) + bytes((0, 2, 8, 8)) + b"x").payload == b"x"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode(Type.STATE, 1, 0, 0, 0, 0, 0)[:19],
        b"\x02" + bytes(19),  # version 2
        b"\x51" + bytes(19),  # type 5
        encode(Type.DATA, 1, 0, 0, 0, 0, 0),  # without data
        b"\x21\x01" + bytes(18),  # an extension that is not there
        b"\x21\x01" + bytes(18) + b"\0\4\0\0\0",  # one that is cut off
        b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe",
    ],
)
def test_junk_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(data)
