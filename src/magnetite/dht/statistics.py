"""What a DHT node counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Datagrams by what became of them, since the node was opened."""

    queries_sent: int = 0
    responses_received: int = 0
    errors_received: int = 0
    timeouts: int = 0  # of our queries
    queries_received: int = 0
    answers_sent: int = 0
    over_limit: int = 0  # queries that got no answer because of their number
    unexpected: int = 0  # answers to nothing we asked, or from somebody else
    junk: int = 0  # no KRPC message


@dataclass(frozen=True, slots=True)
class NodeStatistics:
    """A node at one moment."""

    contacts: int
    verified: int
    pending: int  # queries that wait for an answer
    searches: int  # lookups under way
    info_hashes: int  # of which we store peers
    peers: int  # that we store
    stall: float  # seconds
    counters: Counters
