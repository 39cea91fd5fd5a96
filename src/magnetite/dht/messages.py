"""The messages of KRPC as values (BEP 5, with BEP 32, 33, 42, 43, 44 and 51). Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Final, TypeAlias

from msgspec import Struct

from magnetite.dht.bloom import Scrape
from magnetite.dht.contact import Contact, Family
from magnetite.dht.items import Item
from magnetite.dht.samples import Samples
from magnetite.endpoint import Endpoint
from magnetite.ids import InfoHash, NodeId

CLIENT_VERSION: Final = b"Mt\x00\x01"  # `v`: two letters, and a version of two bytes (BEP 5, KRPC Protocol)

Want: TypeAlias = frozenset[Family]
ANY: Final[Want] = frozenset()  # no `want`: contacts of the family the query came by (BEP 32)


class ErrorCode(IntEnum):
    """BEP 5, Errors, and from 205 on BEP 44, Errors."""

    GENERIC = 201
    SERVER = 202
    PROTOCOL = 203
    UNKNOWN_METHOD = 204
    VALUE_TOO_BIG = 205
    INVALID_SIGNATURE = 206
    SALT_TOO_BIG = 207
    CAS_MISMATCH = 301
    SEQ_TOO_LOW = 302


class Ping(Struct, frozen=True):
    """Are you there?"""

    method: ClassVar = "ping"


class FindNode(Struct, frozen=True):
    """Which nodes do you know closest to `target`?"""

    target: NodeId
    want: Want = ANY

    method: ClassVar = "find_node"


class GetPeers(Struct, frozen=True):
    """Who has, and which nodes do you know closest to, `info_hash`?

    `no_seed` asks for peers that are no seeds, `scrape` for filters by which all of them can be counted (BEP 33).
    """

    info_hash: InfoHash
    want: Want = ANY
    no_seed: bool = False
    scrape: bool = False

    method: ClassVar = "get_peers"


class AnnouncePeer(Struct, frozen=True):
    """I have, or am getting, `info_hash`. With `implied_port` the datagram's source port counts, not `port`.

    `is_seed` says that I have all of it (BEP 33, New ANNOUNCE_PEER semantics).
    """

    info_hash: InfoHash
    port: int
    token: bytes
    implied_port: bool = False
    is_seed: bool = False

    method: ClassVar = "announce_peer"


class GetItem(Struct, frozen=True):
    """What is stored under, and which nodes do you know closest to, `target`? (BEP 44)

    With `seq` an item is wanted only if its own is higher.
    """

    target: NodeId
    seq: int | None = None
    want: Want = ANY

    method: ClassVar = "get"


class PutItem(Struct, frozen=True):
    """Store this item; with `cas` only in the place of one with that `seq` (BEP 44)."""

    item: Item
    token: bytes
    cas: int | None = None

    method: ClassVar = "put"


class SampleInfohashes(Struct, frozen=True):
    """Of which info-hashes do you store peers, and which nodes do you know closest to `target`? (BEP 51)"""

    target: NodeId
    want: Want = ANY

    method: ClassVar = "sample_infohashes"


Query: TypeAlias = Ping | FindNode | GetPeers | AnnouncePeer | GetItem | PutItem | SampleInfohashes


class IncomingQuery(Struct, frozen=True):
    """A query with its envelope: who asks, how to mark the answer, and whether it wants no visitors (BEP 43)."""

    transaction: bytes
    sender: NodeId
    query: Query
    read_only: bool = False


class RefusedQuery(Struct, frozen=True):
    """A query, and clearly one, that can only be answered by an error: its method is unknown or an argument wrong."""

    transaction: bytes
    code: ErrorCode
    text: str


class Response(Struct, frozen=True):
    """A node's answer. Which fields it fills depends on the query, which the transaction tells."""

    transaction: bytes
    sender: NodeId
    nodes: tuple[Contact, ...] = ()
    nodes6: tuple[Contact, ...] = ()
    values: tuple[Endpoint, ...] = ()
    token: bytes = b""
    our_endpoint: Endpoint | None = None  # as the sender sees it: `ip` (BEP 42)
    scrape: Scrape | None = None  # BEP 33
    item: Item | None = None  # as told: neither its signature nor its target has been looked at (BEP 44)
    seq: int | None = None  # of the item the sender stores, which it need not have sent (BEP 44)
    samples: Samples | None = None  # BEP 51

    def contacts(self, family: Family) -> tuple[Contact, ...]:
        return self.nodes if family is Family.IPV4 else self.nodes6


class ErrorMessage(Struct, frozen=True):
    """A node's refusal."""

    transaction: bytes
    code: int
    text: str


Message: TypeAlias = IncomingQuery | RefusedQuery | Response | ErrorMessage
