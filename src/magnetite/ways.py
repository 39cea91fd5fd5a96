"""How a connection reaches a peer: what carries it, and how much of it is encrypted. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Carrier(Enum):
    """What carries the bytes."""

    TCP = "TCP"
    UTP = "uTP"


class Cipher(Enum):
    """How the bytes of an open connection look to others."""

    PLAIN = "plain"
    HANDSHAKE = "plain after an encrypted handshake"
    RC4 = "RC4"


class Way(NamedTuple):
    """One of the ways to dial an address."""

    carrier: Carrier
    encrypted: bool  # whether the call begins with an encrypted handshake
