"""Node ids that belong to an address, so that nobody can choose a place beside a torrent at will (BEP 42). Pure."""

from __future__ import annotations

import random
from socket import AF_INET, AF_INET6, inet_pton  # conversions only: no socket is opened here
from typing import Final

from magnetite.crc32c import crc32c
from magnetite.endpoint import Scope, scope_of
from magnetite.ids import NodeId

_MASK4: Final = bytes.fromhex("030f3fff")
_MASK6: Final = bytes.fromhex("0103070f1f3f7fff")  # of the high 64 bits
_PREFIX: Final = 21  # bits of an id that the address prescribes
_FREE: Final = 160 - _PREFIX


def make_id(ip: str, rng: random.Random) -> NodeId:
    """A random node id that is valid at the public address `ip` (BEP 42, Node ID restriction)."""
    chance = rng.getrandbits(8)
    free = rng.getrandbits(_FREE) & ~0xFF | chance
    return NodeId(_prefix(ip, chance & 7) << _FREE | free)


def is_valid_id(node_id: int, ip: str) -> bool:
    """Whether a node at `ip` may have `node_id`. Addresses that are not public are exempt (BEP 42, Enforcement)."""
    return scope_of(ip) is not Scope.GLOBAL or node_id >> _FREE == _prefix(ip, node_id & 7)


def _prefix(ip: str, chance: int) -> int:
    """The first 21 bits of an id at `ip`, for one of 8 values of chance."""
    mask = _MASK6 if ":" in ip else _MASK4
    packed = inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)[: len(mask)]
    masked = bytearray(byte & kept for byte, kept in zip(packed, mask, strict=True))
    masked[0] |= chance << 5
    return crc32c(masked) >> (32 - _PREFIX)
