"""Sets of IP addresses that can be joined and counted, but not listed: BEP 33's Bloom filters. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from math import log, log1p
from socket import AF_INET, AF_INET6, inet_pton  # conversions only: no socket is opened here
from typing import Final

FILTER_LENGTH: Final = 256  # bytes
_BITS: Final = 8 * FILTER_LENGTH  # m
_HASHES: Final = 2  # k


class BloomFilter:
    """A set of addresses in 2,048 bits, two for each member (BEP 33, Bloom Filters).

    `bytes(filter)` gives the 256 bytes of the wire. Beyond some 6,000 members it can no longer be counted.
    """

    __slots__ = ("_bits",)

    def __init__(self, data: bytes = bytes(FILTER_LENGTH)) -> None:
        """From the 256 bytes of the wire; empty without them. Raises ValueError for another length."""
        if len(data) != FILTER_LENGTH:
            raise ValueError(f"a filter is {FILTER_LENGTH} bytes, not {len(data)}")
        self._bits = int.from_bytes(data, "little")

    def __bytes__(self) -> bytes:
        return self._bits.to_bytes(FILTER_LENGTH, "little")

    def __eq__(self, other: object) -> bool:
        return self._bits == other._bits if isinstance(other, BloomFilter) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __contains__(self, ip: str) -> bool:
        """Whether `ip` was added, or happens to share its bits with others that were."""
        mask = _mask(_packed(ip))
        return self._bits & mask == mask

    def __repr__(self) -> str:
        return f"BloomFilter(about {self.estimate():.0f})"

    def add(self, ip: str) -> None:
        """Add an address as text, IPv4 or IPv6. Raises OSError if it is none."""
        self._bits |= _mask(_packed(ip))

    def add_packed(self, packed: bytes | bytearray) -> None:
        """Add an address in network byte order, 4 bytes or 16."""
        self._bits |= _mask(packed)

    def union(self, other: BloomFilter) -> BloomFilter:
        """The filter of everybody who is in one of the two."""
        both = BloomFilter()
        both._bits = self._bits | other._bits
        return both

    def estimate(self) -> float:
        """How many addresses it probably holds (BEP 33, Calculating the estimate)."""
        zeros = max(1, _BITS - self._bits.bit_count())  # a full filter would count as infinitely many
        return log(_BITS / zeros) / (_HASHES * -log1p(-1 / _BITS))


@dataclass(frozen=True, slots=True)
class Scrape:
    """Who has all of a torrent, and who downloads it: `BFsd` and `BFpe` of an answer (BEP 33)."""

    seeds: BloomFilter
    peers: BloomFilter

    def union(self, other: Scrape) -> Scrape:
        """What two nodes know together."""
        return Scrape(self.seeds.union(other.seeds), self.peers.union(other.peers))


def _packed(ip: str) -> bytes:
    return inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)


def _mask(packed: bytes | bytearray) -> int:
    """The address's two bits: bit i of the filter is bit i % 8 of byte i / 8."""
    digest = sha1(packed).digest()
    return 1 << (digest[0] | digest[1] << 8) % _BITS | 1 << (digest[2] | digest[3] << 8) % _BITS
