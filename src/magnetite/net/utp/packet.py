"""One datagram of uTP: a header, extensions, a payload. Pure."""

from __future__ import annotations

from enum import Enum
from struct import Struct
from typing import Final

import msgspec

from magnetite.errors import RemoteProtocolError
from magnetite.net.base import Buffer

VERSION: Final = 1
HEADER: Final = Struct(">BBHIIIHH")  # type and version, extension, id, timestamp, difference, window, seq_nr, ack_nr
SELECTIVE_ACK: Final = 1  # the one extension of BEP 29
LONGEST_MASK: Final = 252  # bytes of a selective ack: the length is one byte, in multiples of four
MODULUS: Final = 1 << 16  # of sequence numbers and connection ids
CLOCK: Final = 1 << 32  # of timestamps, in microseconds


class Type(Enum):
    """BEP 29, type."""

    DATA = 0
    FIN = 1
    STATE = 2
    RESET = 3
    SYN = 4


_TYPES: Final = {type_.value << 4 | VERSION: type_ for type_ in Type}
_FIRST: Final = {type_: first for first, type_ in _TYPES.items()}


class Packet(msgspec.Struct, frozen=True, gc=False):
    """`timestamp` and `difference` are microseconds modulo CLOCK, `window` is bytes.

    Bit n of `sack` says that packet ack_nr + 2 + n has been received; 0 is no selective ack.
    """

    type: Type
    connection_id: int
    timestamp: int
    difference: int
    window: int
    seq_nr: int
    ack_nr: int
    sack: int = 0
    payload: bytes = b""


def decode(data: bytes) -> Packet:
    """Raises RemoteProtocolError for what is no packet of version 1; unknown extensions are skipped."""
    if len(data) < HEADER.size:
        raise RemoteProtocolError(f"uTP packet of {len(data)} bytes")
    first, extension, connection_id, timestamp, difference, window, seq_nr, ack_nr = HEADER.unpack_from(data)
    type_ = _TYPES.get(first)
    if type_ is None:
        raise RemoteProtocolError(f"uTP packet of type and version {first:#x}")
    at, sack = HEADER.size, 0
    while extension:
        begin = at + 2
        if begin > len(data) or (end := begin + data[at + 1]) > len(data):
            raise RemoteProtocolError("uTP extension beyond the end of its packet")
        if extension == SELECTIVE_ACK:
            # The first byte's least significant bit is ack_nr + 2. The length is to be a multiple of four bytes, but
            # libtorrent sends others, too.
            sack = int.from_bytes(data[begin:end], "little")
        extension, at = data[at], end
    if type_ is Type.DATA and at == len(data):
        raise RemoteProtocolError("uTP data packet without data")
    return Packet(type_, connection_id, timestamp, difference, window, seq_nr, ack_nr, sack, data[at:])


def encode(
    type_: Type,
    connection_id: int,
    timestamp: int,
    difference: int,
    window: int,
    seq_nr: int,
    ack_nr: int,
    sack: int = 0,
    payload: Buffer = b"",
) -> bytes:
    """The fields of a `Packet`, of which numbers may be larger than their field, as a datagram."""
    extension = SELECTIVE_ACK if sack else 0
    header = HEADER.pack(
        _FIRST[type_],
        extension,
        connection_id,
        timestamp % CLOCK,
        difference % CLOCK,
        window,
        seq_nr % MODULUS,
        ack_nr % MODULUS,
    )
    return b"".join((header, _encode_mask(sack), payload)) if sack else header + payload


def _encode_mask(sack: int) -> bytes:
    """What lies beyond LONGEST_MASK is left out: it will be told when it is nearer."""
    length = min(LONGEST_MASK, -(-sack.bit_length() // 32) * 4)
    return bytes((0, length)) + (sack & ((1 << 8 * length) - 1)).to_bytes(length, "little")
