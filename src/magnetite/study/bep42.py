"""Which ids BEP 42 allows at which addresses, for millions of them at once. Pure.

The rule itself is in `dht.security`; here it is in NumPy, to count what somebody with many addresses can reach.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from magnetite.crc32c import crc32c

Words: TypeAlias = NDArray[np.uint32]

PREFIX: Final = 21  # bits of an id that the address prescribes
CHANCES: Final = 8  # different prefixes at an address, by the last three bits of the id
_MASK: Final = np.uint32(0x030F3FFF)
# A checksum of one byte is one entry of the table, but for what it begins and ends with.
_TABLE: Final = np.array([crc32c(bytes([index ^ 0xFF])) ^ 0xFF000000 for index in range(256)], dtype=np.uint32)


def prefixes(ips: Words) -> Words:
    """The first PREFIX bits of the ids that are valid at each of these IPv4 addresses: n x CHANCES."""
    masked = (ips & _MASK)[:, None] | np.arange(CHANCES, dtype=np.uint32) << np.uint32(29)
    crc = np.full(masked.shape, 0xFFFFFFFF, dtype=np.uint32)
    for shift in (24, 16, 8, 0):
        crc = _TABLE[(crc ^ masked >> np.uint32(shift)) & np.uint32(0xFF)] ^ crc >> np.uint32(8)
    found: Words = ~crc >> np.uint32(32 - PREFIX)
    return found
