"""What happened, as typed values: the one source for progress bars, `--json`, plots and tests. Pure.

Every event carries the time of the clock it happened under (seconds, trio's clock) and says why. Whoever takes a
decision emits its event there and then, through an `Emit` that was handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.ids import InfoHash, NodeId
from magnetite.ways import Carrier, Cipher

SCHEMA_VERSION = 1  # of `as_record`; raised when a field changes its meaning or goes


class Source(Enum):
    """Where an endpoint was heard of."""

    DHT = "dht"
    MAGNET = "magnet"  # x.pe
    USER = "user"  # --peer
    PEX = "pex"  # another peer named it (BEP 11)
    HOLEPUNCH = "holepunch"  # a peer that both know brought us together (BEP 55)
    LSD = "lsd"  # it said so itself, by multicast (BEP 14)
    INCOMING = "incoming"


class Event(Struct, frozen=True):
    """Something happened at `time`."""

    time: float

    @property
    def kind(self) -> str:
        """The event's name in records: `PeerConnected` is `peer_connected`."""
        return _KINDS.setdefault(type(self), _WORD.sub("_", type(self).__name__).lower())


Emit: TypeAlias = Callable[[Event], None]


# -- the DHT ---------------------------------------------------------------------------------------------------------


class NodeStarted(Event, frozen=True):
    local: Endpoint
    node_id: NodeId
    saved_contacts: int


class BootstrapFinished(Event, frozen=True):
    """The table is usable: searches that waited for it start now."""

    contacts: int


class BootstrapFailed(Event, frozen=True):
    """No bootstrap node answered; it is tried again after `retry_in` seconds."""

    asked: int
    retry_in: float
    reason: Reason


class NetworkLost(Event, frozen=True):
    """Nothing at all comes in any more at this socket; its contacts are kept."""

    local: Endpoint


class NetworkReturned(Event, frozen=True):
    local: Endpoint


class InterfaceLost(Event, frozen=True):
    """What we are tied to is away: `interface tun0` or `address 10.8.0.2`. Nothing is sent until it is back."""

    name: str


class InterfaceReturned(Event, frozen=True):
    """The sockets are open again."""

    name: str


class ProxyLost(Event, frozen=True):
    """The proxy carries no datagrams of the socket `local` any more. None are sent until it does again."""

    local: Endpoint


class ProxyReturned(Event, frozen=True):
    local: Endpoint


class AddressChanged(Event, frozen=True):
    """Most of those we asked see us at `external`, and our id did not belong there (BEP 42)."""

    local: Endpoint
    external: Endpoint
    node_id: NodeId


class ContactAdded(Event, frozen=True):
    node_id: NodeId
    endpoint: Endpoint


class ContactEvicted(Event, frozen=True):
    node_id: NodeId
    endpoint: Endpoint
    reason: Reason


class LookupStarted(Event, frozen=True):
    target: InfoHash | NodeId
    known: int  # contacts it starts from


class LookupProgress(Event, frozen=True):
    """A node answered a lookup: what the lookup knows so far."""

    target: InfoHash | NodeId
    asked: int
    answered: int
    peers: int


class LookupFinished(Event, frozen=True):
    target: InfoHash | NodeId
    asked: int
    answered: int
    peers: int
    hops: int
    duration: float


class Announced(Event, frozen=True):
    info_hash: InfoHash
    nodes: int  # that accepted it


class PeerStored(Event, frozen=True):
    """A peer announced itself to us."""

    info_hash: InfoHash
    endpoint: Endpoint


class ItemStored(Event, frozen=True):
    """Somebody put an item here, or renewed it."""

    target: NodeId
    endpoint: Endpoint


# -- the router ------------------------------------------------------------------------------------------------------


class PortMapped(Event, frozen=True):
    """A router forwards `external` to us for `lifetime` seconds; it is renewed before that."""

    method: str  # pcp, natpmp or upnp
    local: Endpoint
    external: Endpoint  # 0.0.0.0 where the router does not say its address
    lifetime: float


class PortMappingFailed(Event, frozen=True):
    """No router forwards our port; it is tried again after `retry_in` seconds."""

    reason: Reason
    detail: str
    retry_in: float


class CallerTurnedAway(Event, frozen=True):
    """Somebody dialled us and did not become a peer; told of once a minute for each reason."""

    endpoint: Endpoint
    reason: Reason
    detail: str
    callers: int  # turned away for the same reason since the last such event, this one included


# -- one torrent -----------------------------------------------------------------------------------------------------


class TorrentEvent(Event, frozen=True):
    info_hash: InfoHash


class PeerFound(TorrentEvent, frozen=True):
    endpoint: Endpoint
    source: Source


class PeerConnecting(TorrentEvent, frozen=True):
    endpoint: Endpoint


class PeerConnected(TorrentEvent, frozen=True):
    endpoint: Endpoint
    source: Source
    client: str
    carrier: Carrier
    cipher: Cipher


class WayFailed(TorrentEvent, frozen=True):
    """One of several ways to a peer led nowhere; what becomes of the dial another event tells."""

    endpoint: Endpoint
    carrier: Carrier
    encrypted: bool
    reason: Reason
    detail: str


class PeerFailed(TorrentEvent, frozen=True):
    """It never became a peer."""

    endpoint: Endpoint
    reason: Reason
    detail: str


class PeerClosed(TorrentEvent, frozen=True):
    endpoint: Endpoint
    reason: Reason
    detail: str
    downloaded: int  # bytes of blocks
    uploaded: int


class PeerBanned(TorrentEvent, frozen=True):
    endpoint: Endpoint
    reason: Reason


class MetadataClaimed(TorrentEvent, frozen=True):
    endpoint: Endpoint
    length: int


class MetadataRefused(TorrentEvent, frozen=True):
    """A peer gave no, or wrong, metadata."""

    endpoint: Endpoint
    reason: Reason


class MetadataFetched(TorrentEvent, frozen=True):
    name: str
    length: int  # bytes of the torrent's content
    files: int
    pieces: int
    duration: float  # since the magnet was added


class ChecksFinished(TorrentEvent, frozen=True):
    """What was on disk has been looked at."""

    pieces_present: int
    pieces_checked: int  # hashed now; the rest was vouched for by resume data


class PieceVerified(TorrentEvent, frozen=True):
    piece: int
    have: int
    of: int


class PieceFailed(TorrentEvent, frozen=True):
    piece: int
    peers: tuple[Endpoint, ...]  # who sent its blocks


class Unchoked(TorrentEvent, frozen=True):
    """We let a peer download from us."""

    endpoint: Endpoint
    optimistic: bool


class TorrentPaused(TorrentEvent, frozen=True):
    """Nothing is asked of peers nor served to them until it is resumed."""

    reason: Reason
    detail: str


class TorrentResumed(TorrentEvent, frozen=True):
    """It goes on where it was paused."""


class DownloadFailed(TorrentEvent, frozen=True):
    """It has ended by itself: the disk would not go on, or the torrent is none we can open."""

    reason: Reason
    detail: str


class DownloadCompleted(TorrentEvent, frozen=True):
    """Every wanted piece is verified and on disk."""

    downloaded: int  # bytes of blocks from peers
    duration: float  # since the torrent was added


class EventsLost(Event, frozen=True):
    """A reader was too slow; `count` events before this one did not reach it."""

    count: int


def as_record(event: Event) -> dict[str, object]:
    """An event as plain JSON values: `v` is the schema version, `event` the kind, then its fields."""
    record: dict[str, object] = {"v": SCHEMA_VERSION, "event": event.kind}
    for name in event.__struct_fields__:
        record[name] = _plain(getattr(event, name))
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
