"""Peers that announced themselves to us, for us to hand on. Pure."""

from __future__ import annotations

import random
from typing import Final

from magnetite.dht.contact import Family, family_of
from magnetite.endpoint import COMPACT4, COMPACT6, Endpoint
from magnetite.ids import InfoHash

MAX_INFO_HASHES: Final = 2_000  # of each family
MAX_PEERS: Final = 500  # for one info-hash and family
MAX_ANSWER: Final = 100  # peers in one answer
EXPIRY: Final = 40 * 60.0  # seconds; clients announce every 15 to 30 minutes
_SWEEP: Final = 60.0  # seconds between two searches for what has expired
_TIME: Final = 3  # bytes: seconds since the store was made, 194 days without ambiguity
_CLOCK: Final = 1 << 8 * _TIME


class PeerStore:
    """info-hash -> peers, one table for each family.

    Bounded: a new info-hash finds no room in a full store; a new peer in a full list takes a random one's place, so
    that nobody can push out a whole swarm by being last.
    """

    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self._start = now
        self._swept = now
        self._lists: dict[Family, dict[InfoHash, _PeerList]] = {family: {} for family in Family}

    @property
    def info_hashes(self) -> int:
        return sum(map(len, self._lists.values()))

    @property
    def peers(self) -> int:
        return sum(len(peers) for lists in self._lists.values() for peers in lists.values())

    def has_room_for(self, info_hash: InfoHash, family: Family, now: float) -> bool:
        """Whether a peer of `info_hash` would be taken; a node that has no room issues no token."""
        lists = self._lists[family]
        if info_hash in lists or len(lists) < MAX_INFO_HASHES:
            return True
        self._sweep(now)
        return len(lists) < MAX_INFO_HASHES

    def add(self, info_hash: InfoHash, peer: Endpoint, now: float) -> bool:
        """Remember `peer`, or that it is still there. False where the store has no room."""
        family = family_of(peer)
        if not self.has_room_for(info_hash, family, now):
            return False
        peers = self._lists[family].get(info_hash)
        if peers is None:
            peers = self._lists[family][info_hash] = _PeerList(family)
        peers.add(peer.compact(), int(now - self._start), self._rng)
        return True

    def sample(self, info_hash: InfoHash, family: Family, count: int, now: float) -> list[bytes]:
        """Up to `count`, and never more than MAX_ANSWER, compact endpoints drawn from those that have not expired."""
        peers = self._lists[family].get(info_hash)
        if peers is None:
            return []
        return peers.sample(min(count, MAX_ANSWER), int(now - self._start), self._rng)

    def _sweep(self, now: float) -> None:
        if now < self._swept + _SWEEP:
            return
        self._swept = now
        for lists in self._lists.values():
            for info_hash in [key for key, peers in lists.items() if peers.has_expired(int(now - self._start))]:
                del lists[info_hash]


class _PeerList:
    """The peers of one info-hash, each packed as compact endpoint and second: 9 bytes, or 21 for IPv6, where an
    entry of a dictionary would take 97."""

    __slots__ = ("_compact", "_newest", "_records", "_step", "_swept")

    def __init__(self, family: Family) -> None:
        self._compact = COMPACT4 if family is Family.IPV4 else COMPACT6
        self._step = self._compact + _TIME
        self._records = bytearray()
        self._newest = self._swept = 0

    def __len__(self) -> int:
        return len(self._records) // self._step

    def has_expired(self, second: int) -> bool:
        return second - self._newest > EXPIRY

    def add(self, compact: bytes, second: int, rng: random.Random) -> None:
        self._newest = second
        at = self._find(compact)
        if at < 0 and len(self) >= MAX_PEERS:
            self._drop_expired(second)
            if len(self) >= MAX_PEERS:
                at = rng.randrange(MAX_PEERS) * self._step
        record = compact + (second % _CLOCK).to_bytes(_TIME, "big")
        if at < 0:
            self._records += record
        else:
            self._records[at : at + self._step] = record

    def sample(self, count: int, second: int, rng: random.Random) -> list[bytes]:
        if second > self._swept + _SWEEP:
            self._drop_expired(second)
        chosen = rng.sample(range(len(self)), min(count, len(self)))
        starts = [index * self._step for index in chosen]
        return [bytes(self._records[at : at + self._compact]) for at in starts if not self._is_expired(at, second)]

    def _find(self, compact: bytes) -> int:
        """Where the record of `compact` begins, or -1. A match that straddles two records is none."""
        at = self._records.find(compact)
        while at >= 0 and at % self._step:
            at = self._records.find(compact, at + 1)
        return at

    def _drop_expired(self, second: int) -> None:
        self._swept = second
        for at in range(len(self._records) - self._step, -1, -self._step):
            if self._is_expired(at, second):  # the last record takes its place
                self._records[at : at + self._step] = self._records[-self._step :]
                del self._records[-self._step :]

    def _is_expired(self, at: int, second: int) -> bool:
        heard = int.from_bytes(self._records[at + self._compact : at + self._step], "big")
        return (second - heard) % _CLOCK > EXPIRY
