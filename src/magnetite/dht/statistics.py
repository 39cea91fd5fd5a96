"""What a DHT node counts, and what it is at one moment. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId


class Ignored(Enum):
    """Why a datagram got no answer and taught us nothing."""

    JUNK = "junk"  # no KRPC message
    BLOCKED = "blocked"  # its source is on the blocklist
    SOURCE_LIMIT = "source_limit"  # too many queries of one source
    BUDGET = "budget"  # the node as a whole answers no more just now
    READ_ONLY = "read_only"  # we answer nobody (BEP 43)
    UNEXPECTED = "unexpected"  # an answer to nothing we asked, or from somebody else

    __hash__ = object.__hash__  # a key of the hot path


@dataclass(slots=True)
class Counters:
    """What happened since the node was opened. Queries are counted by the name of their method, as in `q`."""

    queries_sent: Counter[str] = field(default_factory=Counter)
    queries_received: Counter[str] = field(default_factory=Counter)  # those that were read; the rest is in `ignored`
    ignored: Counter[Ignored] = field(default_factory=Counter)
    answers_sent: int = 0
    errors_sent: int = 0
    responses_received: int = 0
    errors_received: int = 0
    timeouts: int = 0  # of our queries
    bytes_received: int = 0
    bytes_sent: int = 0
    lookups: int = 0  # finished
    lookup_queries: int = 0  # that they sent
    lookup_seconds: float = 0.0  # that they took


@dataclass(frozen=True, slots=True)
class AddressStatistics:
    """A node at one of its socket addresses (BEP 45)."""

    local: Endpoint
    external: Endpoint | None  # as others see us; None as long as they do not agree
    node_id: NodeId
    is_usable: bool
    is_read_only: bool
    contacts: int
    verified: int
    pending: int  # queries that wait for an answer
    stall: float  # seconds
    network_size: int  # nodes in the DHT, estimated; 0 if unknown


@dataclass(frozen=True, slots=True)
class NodeStatistics:
    """A node at one moment."""

    addresses: tuple[AddressStatistics, ...]
    searches: int  # lookups under way
    info_hashes: int  # of which we store peers
    peers: int  # that we store
    items: int  # that we store (BEP 44)
    counters: Counters

    @property
    def contacts(self) -> int:
        return sum(address.contacts for address in self.addresses)

    @property
    def verified(self) -> int:
        return sum(address.verified for address in self.addresses)
