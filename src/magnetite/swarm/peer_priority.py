"""Canonical peer priority: the order both ends of a possible connection agree on (BEP 40). Pure."""

from __future__ import annotations

from itertools import takewhile

from magnetite.crc32c import crc32c
from magnetite.endpoint import Endpoint

COMPACT_PORT = 2  # bytes of a compact endpoint that are not its address
ALIKE = 0x55  # the mask of the bytes that say too little about whose network it is
KEPT4, KEPT6 = 2, 6  # leading bytes of an address that count in full, at least


def peer_priority(one: Endpoint, other: Endpoint) -> int:
    """32 bits, the higher the sooner to be connected; the same from both sides. Both are of one family.

    Nobody can choose an address that comes first with everybody, and every peer comes first with somebody.
    """
    a, b = one.compact()[:-COMPACT_PORT], other.compact()[:-COMPACT_PORT]
    if a == b:
        ports = sorted((one.port, other.port))
        return crc32c(b"".join(port.to_bytes(2, "big") for port in ports))
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=True)))
    least = KEPT6 if one.is_ipv6 else KEPT4
    kept = shared + 1 if shared >= least else least
    return crc32c(b"".join(sorted(_masked(address, kept) for address in (a, b))))


def _masked(address: bytes, kept: int) -> bytes:
    return address[:kept] + bytes(byte & ALIKE for byte in address[kept:])
