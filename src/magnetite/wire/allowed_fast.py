"""The pieces a peer may ask for while it is choked (BEP 6, Allowed Fast Set Generation). Pure."""

from __future__ import annotations

from hashlib import sha1
from ipaddress import IPv4Address, ip_address

from magnetite.ids import InfoHash

ALLOWED_FAST = 10  # pieces: "We currently set k to 10"


def allowed_fast_set(ip: str, info_hash: InfoHash, count: int, k: int = ALLOWED_FAST) -> list[int]:
    """`k` pieces of `count` for the peer at `ip`, or all of them if there are fewer, in the order of BEP 6.

    Depends only on the first three bytes of the address, so that a neighbourhood shares one set. Empty for IPv6, for
    which BEP 6 has "no provisions". Raises ValueError if `ip` is no address.
    """
    address = ip_address(ip)
    if not isinstance(address, IPv4Address):
        return []
    pieces: dict[int, None] = {}  # in order of arrival
    x = address.packed[:3] + b"\0" + bytes(info_hash)
    while len(pieces) < min(k, count):
        x = sha1(x).digest()
        for j in range(0, 20, 4):
            if len(pieces) < k:
                pieces[int.from_bytes(x[j : j + 4], "big") % count] = None
    return list(pieces)
