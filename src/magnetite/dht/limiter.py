"""How often others may make us answer: a bucket for each source, and a budget of bytes for all of them. Pure.

A bucket is one number: the moment at which it was, or will be, empty. What has passed since is what may be spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from socket import AF_INET6, inet_pton  # a conversion only: no socket is opened here
from typing import Final, TypeAlias

from magnetite.dht.statistics import Ignored
from magnetite.endpoint import Endpoint, Scope

MAX_SOURCES: Final = 16_384  # remembered at most; half as many at least, once there were so many
BUDGET_DEPTH: Final = 2.0  # seconds of the byte rate that a quiet time saves up
SHORTAGE: Final = 0.5  # of the full budget; with less than this, answers cost a source more
NEWCOMER: Final = 0.2  # of a full bucket, for a source we do not remember
REFUSAL: Final = 0.25  # of an answer, for each query too many: whoever asks four times too much hears nothing at all
LONGEST_SILENCE: Final = 300.0  # seconds after the last of very many queries; libtorrent bans for as long

_Party: TypeAlias = str | bytes | Endpoint


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """All above 0. The defaults answer 200 queries/s of 200 sources in full, and leave room on the uplink of a home."""

    source_rate: float = 10.0  # answers/s to one source: many nodes may share an address behind a carrier's NAT
    source_burst: float = 50.0  # answers at once, after a quiet time
    byte_rate: float = 250_000.0  # bytes/s of answers to all sources together


class AnswerLimiter:
    """Says which queries deserve an answer, before they are read.

    It is fair when there is more to answer than the byte budget allows: the emptier the budget, the more of its bucket
    an answer takes from a source, in the end all of it. So those are answered in full who ask little, and the others
    share the rest equally. A source that is new comes after those that have been quiet for a while; where it is refused
    it waits among other newcomers, while its bucket fills. So forged sources can displace those that were answered only
    as fast as we answer the forged ones, and who asks more often than that keeps its place.

    Invariant: at most MAX_SOURCES sources that were answered are remembered, in two halves, by who asked last; a full
    half makes the older one be forgotten. At most half as many newcomers wait; if there are more, all start anew.
    """

    def __init__(self, limits: AnswerLimits = AnswerLimits()) -> None:
        self._answer = 1 / limits.source_rate  # seconds of a source's bucket that one answer takes
        self._depth = limits.source_burst / limits.source_rate  # seconds that fill it
        self._byte = 1 / limits.byte_rate  # seconds of the budget
        self._empty_at = -inf  # the budget
        self._newcomer = max(NEWCOMER * self._depth, 1.5 * self._answer)  # rounding must not cost it the first answer
        self._recent: dict[_Party, float] = {}  # when the bucket of each is empty
        self._older: dict[_Party, float] = {}
        self._waiting: dict[_Party, float] = {}

    def __len__(self) -> int:
        """Sources remembered, some perhaps twice."""
        return len(self._recent) + len(self._older) + len(self._waiting)

    def refusal(self, source: Endpoint, now: float) -> Ignored | None:
        """Why a query from `source` is to be ignored; None if it deserves an answer, which is then counted."""
        party: _Party = source.ip  # tried before asking what it is: a public IPv4 address, or else a private endpoint
        empty_at = self._recent.get(party)
        if empty_at is None:
            party = source
            empty_at = self._recent.get(party)
        if empty_at is None:
            party = _party(source)
            empty_at = self._recall(party, now)
        credit = now - empty_at
        if credit > self._depth:  # min() would take twice as long
            credit = self._depth
        if credit < self._answer:
            self._recent[party] = min(empty_at + REFUSAL * self._answer, now + LONGEST_SILENCE)
            return Ignored.SOURCE_LIMIT
        cost = self._answer
        spare = (now - self._empty_at) / BUDGET_DEPTH
        if spare < SHORTAGE:
            cost += (self._depth - self._answer) * (1 - spare / SHORTAGE)
            if credit < cost:
                self._wait(party, empty_at)
                return Ignored.BUDGET
        self._recent[party] = now - credit + cost
        return None

    def charge(self, length: int, now: float) -> None:
        """An answer of `length` bytes was sent."""
        empty_at, full_at = self._empty_at, now - BUDGET_DEPTH
        self._empty_at = (empty_at if empty_at > full_at else full_at) + length * self._byte

    def _recall(self, party: _Party, now: float) -> float:
        """When the bucket is empty of a `party` that was not found at once."""
        if len(self._recent) >= MAX_SOURCES // 2:
            self._older, self._recent = self._recent, {}
        for memory in (self._recent, self._older):
            empty_at = memory.get(party)
            if empty_at is not None:
                return empty_at
        return self._waiting.pop(party, now - self._newcomer)

    def _wait(self, party: _Party, empty_at: float) -> None:
        if party in self._recent or party in self._older:
            return
        if len(self._waiting) >= MAX_SOURCES // 2:
            self._waiting.clear()
        self._waiting[party] = empty_at


def _party(source: Endpoint) -> _Party:
    """The owner of an endpoint; of public IPv6 the /64, whose addresses are all one host's if it likes."""
    if source.is_ipv6 and source.scope is Scope.GLOBAL:
        return inet_pton(AF_INET6, source.ip)[:8]
    return source.owner
