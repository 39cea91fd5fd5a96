"""The peers of one torrent, packed: 9 bytes each, where an entry of a dictionary would take 97. Pure."""

from __future__ import annotations

import random
from itertools import chain
from typing import Final

from magnetite.dht.bloom import BloomFilter, Scrape
from magnetite.dht.contact import Family
from magnetite.endpoint import COMPACT4, COMPACT6

MAX_PEERS: Final = 500
EXPIRY: Final = 40 * 60.0  # seconds; clients announce every 15 to 30 minutes
SWEEP: Final = 60.0  # seconds between two searches for what has expired
_PORT: Final = 2  # bytes
_STAMP: Final = 3  # bytes: 23 bits of seconds, 97 days without ambiguity, and one that says whether it is a seed
_CLOCK: Final = 1 << 8 * _STAMP - 1


class PeerList:
    """Peers of one family, each a record of compact endpoint and stamp. Bounded: a full list takes nobody new.

    Seconds are whole ones since the store was made.
    """

    __slots__ = ("_newest", "_records", "_step", "_swept")

    def __init__(self, family: Family, second: int) -> None:
        self._step = (COMPACT4 if family is Family.IPV4 else COMPACT6) + _STAMP
        self._records = bytearray()
        self._newest = self._swept = second

    def __len__(self) -> int:
        return len(self._records) // self._step

    def has_expired(self, second: int) -> bool:
        """Whether nobody has announced for so long that all may be forgotten."""
        return second - self._newest > EXPIRY

    def knows(self, ip: bytes) -> bool:
        """Whether a peer has this address, in network byte order."""
        return self._find(ip) >= 0

    def add(self, compact: bytes, second: int, *, is_seed: bool, is_alone: bool) -> bool:
        """Remember a peer, or that it is still there. False if there is no room.

        A peer that `is_alone` at its address takes the place of any other from there: "nodes must store peer
        information as sets of unique IPs" (BEP 33, Changed announce accounting).
        """
        self._freshen(second)
        at = self._find(compact[:-_PORT] if is_alone else compact)
        if at < 0:
            if len(self) >= MAX_PEERS:
                return False
            at = len(self._records)
        stamp = second % _CLOCK << 1 | is_seed
        self._records[at : at + self._step] = compact + stamp.to_bytes(_STAMP, "big")
        self._newest = second
        return True

    def sample(self, count: int, second: int, rng: random.Random, *, no_seed: bool) -> list[bytes]:
        """Up to `count` compact endpoints: those that stand together from a random place on.

        One draw does where each peer had its own before: the system's randomness takes a microsecond for each.
        """
        self._freshen(second)
        records, step = self._records, self._step
        length, compact = len(records), step - _STAMP
        start = 0 if count >= len(self) else rng.randrange(len(self)) * step
        found: list[bytes] = []
        for at in chain(range(start, length, step), range(0, start, step)):
            if len(found) >= count:
                break
            stamp = int.from_bytes(records[at + compact : at + step], "big")
            if (second - (stamp >> 1)) % _CLOCK <= EXPIRY and not (no_seed and stamp & 1):
                found.append(bytes(records[at : at + compact]))
        return found

    def scrape(self, second: int) -> Scrape:
        """Filters of the seeds and of the others. Takes a millisecond for a full list."""
        self._freshen(second)
        scrape = Scrape(BloomFilter(), BloomFilter())
        address = self._step - _STAMP - _PORT
        for at in range(0, len(self._records), self._step):
            is_seed = self._records[at + self._step - 1] & 1
            (scrape.seeds if is_seed else scrape.peers).add_packed(self._records[at : at + address])
        return scrape

    def _find(self, start: bytes) -> int:
        """Where the record that begins with `start` is, or -1. A match that straddles two records is none."""
        at = self._records.find(start)
        while at >= 0 and at % self._step:
            at = self._records.find(start, at + 1)
        return at

    def _freshen(self, second: int) -> None:
        """Drop what has expired, once in a while. A list must not go unlooked at for 97 days; nor does it, for whoever
        holds it drops it long before."""
        if second <= self._swept + SWEEP:
            return
        self._swept = second
        records, step = self._records, self._step
        for at in range(len(records) - step, -1, -step):
            stamp = int.from_bytes(records[at + step - _STAMP : at + step], "big")
            if (second - (stamp >> 1)) % _CLOCK > EXPIRY:  # the last record takes its place
                records[at : at + step] = records[-step:]
                del records[-step:]
