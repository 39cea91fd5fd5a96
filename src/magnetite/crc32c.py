"""CRC-32C, the checksum behind node ids (BEP 42) and peer priorities (BEP 40). Pure."""

from __future__ import annotations

from typing import Final

_CASTAGNOLI: Final = 0x82F63B78  # the polynomial, the lowest bit first


def crc32c(data: bytes | bytearray) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_CASTAGNOLI if byte & 1 else 0)
    return byte


_TABLE: Final = [_table_entry(byte) for byte in range(256)]
