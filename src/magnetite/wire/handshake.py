"""The handshake, the first 68 bytes each side sends (BEP 3, 5, 6, 10), and the peer ids in it (BEP 20). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from magnetite.errors import WireError
from magnetite.ids import ID_LENGTH, InfoHash, PeerId

PROTOCOL = b"\x13BitTorrent protocol"
INFO_HASH_KNOWN = 48  # bytes: protocol, 8 reserved, info-hash; enough for a listener to know the torrent
HANDSHAKE_LENGTH = 68  # bytes: and the peer id

_EXTENSIONS = (5, 0x10)  # (reserved byte, bit), BEP 10
_FAST = (7, 0x04)  # BEP 6
_DHT = (7, 0x01)  # BEP 5


@dataclass(frozen=True, slots=True)
class Handshake:
    """Which torrent a peer wants, who it says it is, and what it can do."""

    info_hash: InfoHash
    peer_id: PeerId
    extensions: bool = False  # BEP 10
    fast: bool = False  # BEP 6
    dht: bool = False  # BEP 5

    def encode(self) -> bytes:
        """The 68 bytes of the wire."""
        reserved = bytearray(8)
        for offered, (byte, bit) in ((self.extensions, _EXTENSIONS), (self.fast, _FAST), (self.dht, _DHT)):
            if offered:
                reserved[byte] |= bit
        return b"".join((PROTOCOL, reserved, bytes(self.info_hash), self.peer_id))


def decode_handshake(data: bytes | memoryview) -> Handshake:
    """The handshake in exactly 68 bytes; reserved bits we do not know are ignored. Raises WireError."""
    if len(data) != HANDSHAKE_LENGTH:
        raise WireError(f"a handshake is {HANDSHAKE_LENGTH} bytes, not {len(data)}")
    info_hash = decode_info_hash(data)
    reserved = data[20:28]

    def offers(flag: tuple[int, int]) -> bool:
        byte, bit = flag
        return bool(reserved[byte] & bit)

    return Handshake(info_hash, PeerId(bytes(data[48:])), offers(_EXTENSIONS), offers(_FAST), offers(_DHT))


def decode_info_hash(data: bytes | memoryview) -> InfoHash:
    """The info-hash from the first 48 bytes of a handshake, or more: the peer id may come later (BEP 3).

    Raises WireError, also when there are fewer.
    """
    check_protocol(data)
    if len(data) < INFO_HASH_KNOWN:
        raise WireError(f"only {len(data)} bytes of a handshake")
    return InfoHash.decode(bytes(data[28:48]))


def check_protocol(data: bytes | memoryview) -> None:
    """Whether a stream that begins so, with any number of bytes, may be BitTorrent. Raises WireError if not.

    The first wrong byte is enough, so that a stranger who speaks, or encrypts, something else is known early.
    """
    head = bytes(data[: len(PROTOCOL)])
    if not PROTOCOL.startswith(head):
        raise WireError("not the BitTorrent protocol")


# -- peer ids --------------------------------------------------------------------------------------------------------

PEER_ID_PREFIX = b"-MG0100-"  # magnetite 0.1.0.0

_AZUREUS_STYLE = re.compile(rb"-([A-Za-z~][A-Za-z~])([0-9A-Za-z]{4})")
_CLIENTS = {  # those of BEP 20 that are still met, and a few it does not list
    "AZ": "Azureus",
    "BC": "BitComet",
    "BI": "BiglyBT",
    "BT": "BitTorrent",
    "DE": "Deluge",
    "FD": "Free Download Manager",
    "FW": "FrostWire",
    "KG": "KGet",
    "KT": "KTorrent",
    "LT": "libtorrent",
    "MG": "magnetite",
    "MO": "MonoTorrent",
    "RN": "rain",
    "SD": "Xunlei",
    "TL": "Tribler",
    "TR": "Transmission",
    "TX": "Tixati",
    "UM": "µTorrent Mac",
    "UT": "µTorrent",
    "UW": "µTorrent Web",
    "WD": "WebTorrent Desktop",
    "WW": "WebTorrent",
    "XL": "Xunlei",
    "lt": "rTorrent",
    "qB": "qBittorrent",
    "rQ": "rqbit",
}


def new_peer_id(rng: Random) -> PeerId:
    """A peer id of ours: the prefix and 12 random bytes (BEP 20)."""
    return PeerId(PEER_ID_PREFIX + rng.randbytes(ID_LENGTH - len(PEER_ID_PREFIX)))


def client_name(peer_id: PeerId) -> str:
    """Client and version for display, as `qBittorrent 4.5.2`; `unknown` where the id does not tell. Always printable.

    Reads the style of Azureus only, `-qB4520-`: nobody uses the older ones any more. A letter in the version is a digit
    above 9: libtorrent 2.0.11 writes `-LT20B0-`.
    """
    found = _AZUREUS_STYLE.match(peer_id)
    name = found and _CLIENTS.get(found[1].decode())
    if not found or not name:
        return "unknown"
    major, minor, patch, build = (int(digit, 36) for digit in found[2].decode())
    return f"{name} {major}.{minor}.{patch}" + (f".{build}" if build else "")
