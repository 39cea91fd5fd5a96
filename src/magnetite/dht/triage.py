"""What a datagram is, told from a few of its bytes before anything is parsed. Pure."""

from __future__ import annotations

from typing import Final

MAX_DATAGRAM: Final = 4096  # bytes; npm's bittorrent-dht sends answers of 4 kB

_D, _E = b"de"


def is_junk(data: bytes) -> bool:
    """Whether it cannot be a KRPC message, which is one bencoded dictionary of at most MAX_DATAGRAM bytes."""
    return not data or data[0] != _D or data[-1] != _E or len(data) > MAX_DATAGRAM


def is_query(data: bytes) -> bool:
    """Whether it may be a query. No query escapes, whatever the order of its keys; answers that hold these six bytes
    by chance, one in 10^12, are taken for one."""
    return data[-7:] == b"1:y1:qe" or b"1:y1:q" in data


def transaction_of(data: bytes) -> bytes:
    """The transaction id of an answer to us, whose ids are of 4 bytes: it takes 2 ms to read 4 kB of peers nobody asked
    for. It stands near the end, as bencoding orders the keys; an answer without one gives some other bytes."""
    at = data.rfind(b"1:t4:") + 5
    return data[at : at + 4]
