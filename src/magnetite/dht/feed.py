"""What a publisher's mutable item says: which torrent is the latest (BEP 46). Pure."""

from __future__ import annotations

import random
from typing import Final

from magnetite import bencoding
from magnetite.dht.items import Item, MutableItem
from magnetite.errors import BencodeError
from magnetite.ids import InfoHash

POLL_INTERVAL: Final = 5 * 60.0  # seconds, about, between two looks for an update


def encode_feed(info_hash: InfoHash) -> bytes:
    """The value that names a torrent (BEP 46, Publishing content)."""
    return bencoding.encode({b"ih": bytes(info_hash)})


def decode_feed(item: Item | None) -> InfoHash | None:
    """The torrent that an item names; None if it names none. What else it says is left to others."""
    if not isinstance(item, MutableItem):
        return None
    try:
        value = bencoding.decode(item.value, bencoding.DATAGRAM)
    except BencodeError:
        return None
    name = value.get(b"ih") if isinstance(value, dict) else None
    try:
        return InfoHash.decode(name) if isinstance(name, bytes) else None
    except ValueError:
        return None


def poll_delay(rng: random.Random) -> float:
    """Seconds until the next look; the chance in it keeps followers from falling into step."""
    return POLL_INTERVAL * rng.uniform(0.8, 1.2)
