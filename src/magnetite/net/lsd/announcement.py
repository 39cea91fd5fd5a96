"""What is said by multicast: who has which torrents at which port (BEP 14, Protocol). Pure."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from magnetite.endpoint import Endpoint
from magnetite.errors import RemoteProtocolError
from magnetite.ids import InfoHash

GROUP4: Final = Endpoint("239.192.152.143", 6771)
GROUP6: Final = Endpoint("ff15::efc0:988f", 6771)
MOST: Final = 20  # torrents in a datagram of ours, which "should not exceed 1400 bytes"
MOST_READ: Final = 100  # of one of others
FIRST_LINE: Final = b"BT-SEARCH * HTTP/1."
_INFO_HASH: Final = re.compile(rb"[0-9a-fA-F]{40}")


class Announcement(Struct, frozen=True):
    """`cookie` lets a client know its own; empty where there is none."""

    port: int  # TCP
    info_hashes: tuple[InfoHash, ...]
    cookie: bytes = b""


def encode_announcement(announcement: Announcement, group: Endpoint) -> bytes:
    """The datagram for this group; `info_hashes` are MOST at most."""
    lines = [
        b"BT-SEARCH * HTTP/1.1",
        b"Host: %s" % str(group).encode(),
        b"Port: %d" % announcement.port,
        *(b"Infohash: %s" % str(info_hash).encode() for info_hash in announcement.info_hashes),
        b"cookie: %s" % announcement.cookie,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n\r\n"


def decode_announcement(data: bytes) -> Announcement:
    """What somebody announces; headers that we do not know are passed over, as are info-hashes that are none.

    Raises RemoteProtocolError if it is no announcement, or names no port or no torrent.
    """
    first, *lines = data.split(b"\r\n")
    if not first.startswith(FIRST_LINE):
        raise RemoteProtocolError("not a BT-SEARCH")
    port, cookie = 0, b""
    info_hashes: dict[InfoHash, None] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        value = value.strip()
        match name.strip().lower():
            case b"port":
                port = _port(value)
            case b"infohash" if _INFO_HASH.fullmatch(value) and len(info_hashes) < MOST_READ:
                info_hashes[InfoHash(int(value, 16))] = None
            case b"cookie":
                cookie = value
    if not port or not info_hashes:
        raise RemoteProtocolError("a BT-SEARCH without port or torrent")
    return Announcement(port, tuple(info_hashes), cookie)


def _port(value: bytes) -> int:
    """0 for what is none."""
    return int(value) if value.isdigit() and len(value) <= 5 and int(value) < 1 << 16 else 0
