"""Peers that announced themselves to us, for us to hand on. Pure."""

from __future__ import annotations

import random
from math import inf
from socket import AF_INET, AF_INET6, inet_pton  # conversions only: no socket is opened here
from typing import Final

from magnetite.dht.bloom import Scrape
from magnetite.dht.contact import Family, family_of
from magnetite.dht.peer_list import MAX_PEERS, SWEEP, PeerList
from magnetite.dht.samples import Samples
from magnetite.endpoint import Endpoint, Scope
from magnetite.ids import InfoHash

MAX_INFO_HASHES: Final = 2_000  # of each family
MAX_ANSWER: Final = 100  # peers in one answer
EARLY: Final = 0.75  # of a limit: from here on more and more announces are turned away
MAX_SAMPLES: Final = 64  # info-hashes: 1,280 bytes of an answer of 1,400
SAMPLE_INTERVAL: Final = 300  # seconds for which the same samples are given, so that asking often does not pay (BEP 51)


class PeerStore:
    """info-hash -> peers, one table for each family.

    Bounded: a full store takes no new info-hash, a full list no new peer. Before it comes to that, the nearer the
    limit, the more often a newcomer is told to go elsewhere: announces for a popular torrent then spread over more
    nodes around it, and a flood finds the last places hard to get (mldht refuses at random, too). Who is in a list may
    always renew its place.
    """

    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self._start = now
        self._swept = now
        self._lists: dict[Family, dict[int, PeerList]] = {family: {} for family in Family}
        self._samples = Samples((), 0, SAMPLE_INTERVAL)
        self._drawn_at = -inf
        self._drawn_from = 0  # info-hashes

    @property
    def info_hashes(self) -> int:
        return sum(map(len, self._lists.values()))

    @property
    def peers(self) -> int:
        return sum(len(peers) for lists in self._lists.values() for peers in lists.values())

    def knows(self, info_hash: int, family: Family) -> bool:
        """Whether there is anything about `info_hash`."""
        return info_hash in self._lists[family]

    def invites(self, info_hash: int, source: Endpoint, family: Family, now: float) -> bool:
        """Whether `source` shall be given a token to announce `info_hash` with; drawn by lot where room is scarce."""
        lists = self._lists[family]
        peers = lists.get(info_hash)
        held, limit = (len(lists), MAX_INFO_HASHES) if peers is None else (len(peers), MAX_PEERS)
        if held < EARLY * limit:
            return True
        if peers is None:
            self._sweep(now)
            held = len(lists)
        elif peers.knows(inet_pton(AF_INET6 if source.is_ipv6 else AF_INET, source.ip)):
            return True
        return held < limit and self._rng.random() * (1 - EARLY) * limit >= held - EARLY * limit

    def add(self, info_hash: InfoHash, peer: Endpoint, now: float, *, is_seed: bool = False) -> bool:
        """Remember `peer`, or that it is still there. False where the store has no room."""
        self._sweep(now)
        family, second = family_of(peer), int(now - self._start)
        lists = self._lists[family]
        peers = lists.get(info_hash)
        if peers is None:
            if len(lists) >= MAX_INFO_HASHES:
                return False
            peers = lists[info_hash] = PeerList(family, second)
        return peers.add(peer.compact(), second, is_seed=is_seed, is_alone=peer.scope is Scope.GLOBAL)

    def sample(
        self, info_hash: InfoHash, family: Family, count: int, now: float, *, no_seed: bool = False
    ) -> list[bytes]:
        """Up to `count`, and never more than MAX_ANSWER, compact endpoints drawn from those that have not expired."""
        peers = self._current(info_hash, family, now)
        if peers is None:
            return []
        return peers.sample(min(count, MAX_ANSWER), int(now - self._start), self._rng, no_seed=no_seed)

    def scrape(self, info_hash: InfoHash, family: Family, now: float) -> Scrape | None:
        """Filters of all seeds and all other peers of `info_hash`; None where we know of nobody (BEP 33)."""
        peers = self._current(info_hash, family, now)
        return None if peers is None else peers.scrape(int(now - self._start))

    def sample_info_hashes(self, now: float) -> Samples:
        """A random choice of the info-hashes stored, the same for SAMPLE_INTERVAL (BEP 51).

        As long as all of them fit, one more or less shows at once.
        """
        self._sweep(now)
        held_all = self._samples.num <= MAX_SAMPLES and self._drawn_from != self.info_hashes
        if held_all or now >= self._drawn_at + SAMPLE_INTERVAL:
            self._drawn_at, self._drawn_from = now, self.info_hashes
            known = list(dict.fromkeys(key for lists in self._lists.values() for key in lists))
            chosen = self._rng.sample(known, min(MAX_SAMPLES, len(known)))
            self._samples = Samples(tuple(map(InfoHash, chosen)), len(known), SAMPLE_INTERVAL)
        return self._samples

    def _current(self, info_hash: InfoHash, family: Family, now: float) -> PeerList | None:
        self._sweep(now)
        return self._lists[family].get(info_hash)

    def _sweep(self, now: float) -> None:
        if now < self._swept + SWEEP:
            return
        self._swept = now
        for lists in self._lists.values():
            for info_hash in [key for key, peers in lists.items() if peers.has_expired(int(now - self._start))]:
                del lists[info_hash]
