"""The messages of KRPC as values (BEP 5, with BEP 32, 42 and 43). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from magnetite.dht.contact import Contact, Family
from magnetite.endpoint import Endpoint
from magnetite.ids import InfoHash, NodeId

CLIENT_VERSION: Final = b"Mt\x00\x01"  # `v`: two letters, and a version of two bytes (BEP 5, KRPC Protocol)

Want: TypeAlias = frozenset[Family]
ANY: Final[Want] = frozenset()  # no `want`: contacts of the family the query came by (BEP 32)


class ErrorCode(IntEnum):
    """BEP 5, Errors."""

    GENERIC = 201
    SERVER = 202
    PROTOCOL = 203
    UNKNOWN_METHOD = 204


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True, slots=True)
class FindNode:
    """Which nodes do you know closest to `target`?"""

    target: NodeId
    want: Want = ANY


@dataclass(frozen=True, slots=True)
class GetPeers:
    """Who has, and which nodes do you know closest to, `info_hash`?"""

    info_hash: InfoHash
    want: Want = ANY


@dataclass(frozen=True, slots=True)
class AnnouncePeer:
    """I have, or am getting, `info_hash`. With `implied_port` the datagram's source port counts, not `port`."""

    info_hash: InfoHash
    port: int
    token: bytes
    implied_port: bool = False


Query: TypeAlias = Ping | FindNode | GetPeers | AnnouncePeer


@dataclass(frozen=True, slots=True)
class IncomingQuery:
    """A query with its envelope: who asks, how to mark the answer, and whether it wants no visitors (BEP 43)."""

    transaction: bytes
    sender: NodeId
    query: Query
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class RefusedQuery:
    """A query, and clearly one, that can only be answered by an error: its method is unknown or an argument wrong."""

    transaction: bytes
    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class Response:
    """A node's answer. Which fields it fills depends on the query, which the transaction tells."""

    transaction: bytes
    sender: NodeId
    nodes: tuple[Contact, ...] = ()
    nodes6: tuple[Contact, ...] = ()
    values: tuple[Endpoint, ...] = ()
    token: bytes = b""
    our_endpoint: Endpoint | None = None  # as the sender sees it: `ip` (BEP 42)

    def contacts(self, family: Family) -> tuple[Contact, ...]:
        return self.nodes if family is Family.IPV4 else self.nodes6


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """A node's refusal."""

    transaction: bytes
    code: int
    text: str


Message: TypeAlias = IncomingQuery | RefusedQuery | Response | ErrorMessage
