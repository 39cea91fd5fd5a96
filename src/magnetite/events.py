"""What happened, as typed values: the one source for progress bars, `--json`, plots and tests. Pure.

Every event carries the time of the clock it happened under (seconds, trio's clock) and says why. Whoever takes a
decision emits its event there and then, through an `Emit` that was handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import TypeAlias

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.ids import InfoHash, NodeId

SCHEMA_VERSION = 1  # of `as_record`; raised when a field changes its meaning or goes


class Source(Enum):
    """Where an endpoint was heard of."""

    DHT = "dht"
    MAGNET = "magnet"  # x.pe
    USER = "user"  # --peer
    INCOMING = "incoming"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at `time`."""

    time: float

    @property
    def kind(self) -> str:
        """The event's name in records: `PeerConnected` is `peer_connected`."""
        return _KINDS.setdefault(type(self), _WORD.sub("_", type(self).__name__).lower())


Emit: TypeAlias = Callable[[Event], None]


# -- the DHT ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeStarted(Event):
    local: Endpoint
    node_id: NodeId
    saved_contacts: int


@dataclass(frozen=True, slots=True)
class BootstrapFinished(Event):
    """The table is usable: searches that waited for it start now."""

    contacts: int


@dataclass(frozen=True, slots=True)
class BootstrapFailed(Event):
    """No bootstrap node answered; it is tried again after `retry_in` seconds."""

    asked: int
    retry_in: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class NetworkLost(Event):
    """Nothing at all comes in any more at this socket; its contacts are kept."""

    local: Endpoint


@dataclass(frozen=True, slots=True)
class NetworkReturned(Event):
    local: Endpoint


@dataclass(frozen=True, slots=True)
class AddressChanged(Event):
    """Most of those we asked see us at `external`, and our id did not belong there (BEP 42)."""

    local: Endpoint
    external: Endpoint
    node_id: NodeId


@dataclass(frozen=True, slots=True)
class ContactAdded(Event):
    node_id: NodeId
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class ContactEvicted(Event):
    node_id: NodeId
    endpoint: Endpoint
    reason: Reason


@dataclass(frozen=True, slots=True)
class LookupStarted(Event):
    target: InfoHash | NodeId
    known: int  # contacts it starts from


@dataclass(frozen=True, slots=True)
class LookupProgress(Event):
    """A node answered a lookup: what the lookup knows so far."""

    target: InfoHash | NodeId
    asked: int
    answered: int
    peers: int


@dataclass(frozen=True, slots=True)
class LookupFinished(Event):
    target: InfoHash | NodeId
    asked: int
    answered: int
    peers: int
    hops: int
    duration: float


@dataclass(frozen=True, slots=True)
class Announced(Event):
    info_hash: InfoHash
    nodes: int  # that accepted it


@dataclass(frozen=True, slots=True)
class PeerStored(Event):
    """A peer announced itself to us."""

    info_hash: InfoHash
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class ItemStored(Event):
    """Somebody put an item here, or renewed it."""

    target: NodeId
    endpoint: Endpoint


# -- one torrent -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TorrentEvent(Event):
    info_hash: InfoHash


@dataclass(frozen=True, slots=True)
class PeerFound(TorrentEvent):
    endpoint: Endpoint
    source: Source


@dataclass(frozen=True, slots=True)
class PeerConnecting(TorrentEvent):
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class PeerConnected(TorrentEvent):
    endpoint: Endpoint
    source: Source
    client: str


@dataclass(frozen=True, slots=True)
class PeerFailed(TorrentEvent):
    """It never became a peer."""

    endpoint: Endpoint
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class PeerClosed(TorrentEvent):
    endpoint: Endpoint
    reason: Reason
    detail: str
    downloaded: int  # bytes of blocks
    uploaded: int


@dataclass(frozen=True, slots=True)
class PeerBanned(TorrentEvent):
    endpoint: Endpoint
    reason: Reason


@dataclass(frozen=True, slots=True)
class MetadataClaimed(TorrentEvent):
    endpoint: Endpoint
    length: int


@dataclass(frozen=True, slots=True)
class MetadataRefused(TorrentEvent):
    """A peer gave no, or wrong, metadata."""

    endpoint: Endpoint
    reason: Reason


@dataclass(frozen=True, slots=True)
class MetadataFetched(TorrentEvent):
    name: str
    length: int  # bytes of the torrent's content
    files: int
    pieces: int
    duration: float  # since the magnet was added


@dataclass(frozen=True, slots=True)
class ChecksFinished(TorrentEvent):
    """What was on disk has been looked at."""

    pieces_present: int
    pieces_checked: int  # hashed now; the rest was vouched for by resume data


@dataclass(frozen=True, slots=True)
class PieceVerified(TorrentEvent):
    piece: int
    have: int
    of: int


@dataclass(frozen=True, slots=True)
class PieceFailed(TorrentEvent):
    piece: int
    peers: tuple[Endpoint, ...]  # who sent its blocks


@dataclass(frozen=True, slots=True)
class Unchoked(TorrentEvent):
    """We let a peer download from us."""

    endpoint: Endpoint
    optimistic: bool


@dataclass(frozen=True, slots=True)
class DownloadFailed(TorrentEvent):
    """It has ended by itself: the disk would not go on, or the torrent is none we can open."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class DownloadCompleted(TorrentEvent):
    """Every wanted piece is verified and on disk."""

    downloaded: int  # bytes of blocks from peers
    duration: float  # since the torrent was added


@dataclass(frozen=True, slots=True)
class EventsLost(Event):
    """A reader was too slow; `count` events before this one did not reach it."""

    count: int


def as_record(event: Event) -> dict[str, object]:
    """An event as plain JSON values: `v` is the schema version, `event` the kind, then its fields."""
    record: dict[str, object] = {"v": SCHEMA_VERSION, "event": event.kind}
    for field in fields(event):
        record[field.name] = _plain(getattr(event, field.name))
    return record


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, Endpoint | InfoHash | NodeId):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


_KINDS: dict[type, str] = {}
_WORD = re.compile(r"(?<!^)(?=[A-Z])")
