from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import WireError
from magnetite.ids import InfoHash, PeerId
from magnetite.wire.handshake import (
    HANDSHAKE_LENGTH,
    INFO_HASH_KNOWN,
    PROTOCOL,
    Handshake,
    check_protocol,
    client_name,
    decode_handshake,
    decode_info_hash,
    new_peer_id,
)
from tests.wire.streams import HANDSHAKE, handshakes


@given(handshakes)
def test_decode_after_encode_is_the_identity(handshake: Handshake) -> None:
    data = handshake.encode()
    assert len(data) == HANDSHAKE_LENGTH
    assert decode_handshake(data) == handshake
    assert decode_info_hash(data[:INFO_HASH_KNOWN]) == handshake.info_hash


@pytest.mark.parametrize(
    ("offers", "reserved"),
    [
        ({}, "0000000000000000"),
        ({"extensions": True}, "0000000000100000"),  # BEP 10: reserved_byte[5] & 0x10
        ({"fast": True}, "0000000000000004"),  # BEP 6: reserved[7] |= 0x04
        ({"dht": True}, "0000000000000001"),  # BEP 5: the last bit
    ],
)
def test_each_offer_has_the_bit_its_bep_gives_it(offers: dict[str, bool], reserved: str) -> None:
    data = Handshake(InfoHash(1), HANDSHAKE.peer_id, **offers).encode()
    assert data == PROTOCOL + bytes.fromhex(reserved) + bytes(InfoHash(1)) + HANDSHAKE.peer_id


def test_reserved_bits_of_other_extensions_are_ignored() -> None:
    data = PROTOCOL + b"\xff" * 8 + HANDSHAKE.encode()[28:]
    assert decode_handshake(data) == HANDSHAKE


@given(st.binary(max_size=80) | st.binary(max_size=60).map(PROTOCOL.__add__))
def test_any_bytes_are_a_handshake_or_raise_wire_error(data: bytes) -> None:
    for decode in (decode_handshake, decode_info_hash, check_protocol):
        try:
            decode(data)
        except WireError:
            continue


@pytest.mark.parametrize("length", range(INFO_HASH_KNOWN))
def test_no_info_hash_is_read_before_it_is_there(length: int) -> None:
    with pytest.raises(WireError):
        decode_info_hash(HANDSHAKE.encode()[:length])


@given(st.integers(0, 19), st.integers(1, 255))
def test_another_protocol_is_known_by_its_first_wrong_byte(at: int, difference: int) -> None:
    head = bytearray(PROTOCOL[: at + 1])
    check_protocol(head[:at])
    head[at] ^= difference
    with pytest.raises(WireError):
        check_protocol(head)


def test_our_peer_ids_have_our_prefix_and_differ(rng: Random) -> None:
    first, second = new_peer_id(rng), new_peer_id(rng)
    assert first.startswith(b"-MG0100-")
    assert first != second
    assert client_name(first) == "magnetite 0.1.0"


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"-qB4520-", "qBittorrent 4.5.2"),
        (b"-LT20B0-", "libtorrent 2.0.11"),
        (b"-TR4061-", "Transmission 4.0.6.1"),
        (b"-AZ2060-", "Azureus 2.0.6"),
        (b"-ZZ1234-", "unknown"),
        (b"-qB\xff\x00\x1b1-", "unknown"),
        (b"M4-3-6--", "unknown"),
        (b"\x1b[2J\x00\x00\x00\x00", "unknown"),
    ],
)
def test_clients_are_named_as_bep_20_says(start: bytes, name: str) -> None:
    assert client_name(PeerId(start.ljust(20, b"x"))) == name


@given(st.binary(min_size=20, max_size=20) | st.binary(min_size=17, max_size=17).map(b"-qB".__add__))
def test_client_names_are_always_printable(peer_id: bytes) -> None:
    assert client_name(PeerId(peer_id)).isprintable()
