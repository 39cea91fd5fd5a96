"""Every exception magnetite raises on purpose, and the reasons that errors, events and exit codes share."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why something ended as it did: one vocabulary for errors, events, log lines, `--json` and exit codes."""

    # a peer, before it was one
    REFUSED = "connection refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "no answer to the connection attempt"
    HANDSHAKE_TIMEOUT = "no handshake in time"
    WRONG_INFO_HASH = "wanted another torrent"
    NOT_ENCRYPTED = "does not encrypt, which we require"
    NO_COMMON_ENCRYPTION = "no encryption that both sides accept"
    OURSELVES = "it is this client"
    DUPLICATE = "already connected"
    TOO_MANY_PEERS = "too many peers"
    BANNED = "banned for what it sent before"
    # a peer, once connected
    CONNECTION_LOST = "connection lost"
    CLOSED_BY_PEER = "closed by the peer"
    PROTOCOL_ERROR = "protocol error"
    TOO_MANY_REQUESTS = "too many requests"
    TOO_MANY_MESSAGES = "too many messages that lead to nothing"
    BAD_PIECE = "sent a bad piece"
    IDLE = "silent for too long"
    NOTHING_TO_TRADE = "neither side needs anything"
    # a contact of the DHT
    REPLACED = "somebody better took its place"
    # metadata
    NO_METADATA = "does not serve metadata"
    METADATA_REFUSED = "refused to send metadata"
    METADATA_TIMEOUT = "did not send the metadata in time"
    METADATA_TOO_LARGE = "claims an absurd metadata size"
    METADATA_MISMATCH = "sent metadata that does not match the info-hash"
    # what the user gave us
    INVALID_MAGNET = "not a valid magnet link"
    INVALID_METAINFO = "not a valid torrent"
    PRIVATE_TORRENT = "a private torrent"
    UNSUPPORTED = "not supported yet"
    INVALID_ARGUMENT = "not a valid argument"
    # this machine
    ADDRESS_UNAVAILABLE = "cannot listen on that address"
    PROXY_FAILED = "the proxy does not do it"
    NAME_NOT_FOUND = "the name does not resolve"
    NO_BOOTSTRAP = "no node of the DHT answered"
    NO_NODE = "no node is running here"
    NO_GATEWAY = "no router here maps ports"
    MAPPING_REFUSED = "the router does not map the port"
    NOT_FOUND = "nobody in the DHT has it"
    CONFLICT = "somebody else has written meanwhile"
    DISK_FULL = "the disk is full"
    NOT_WRITABLE = "the folder cannot be written"
    NOT_READABLE = "the file cannot be read"
    DISK_ERROR = "the disk failed"
    FILES_IN_THE_WAY = "something else stands where the files belong"
    NOT_STORABLE = "the file system cannot hold the file"
    CONTENT_DIFFERS = "what is on disk is not what the torrent holds"
    # our own doing
    PAUSED_BY_USER = "paused by the user"
    RUN_FAILED = "a run of a study failed"
    TIMEOUT = "out of time"
    INTERRUPTED = "interrupted"
    SHUTTING_DOWN = "shutting down"
    DONE = "done"


class MagnetiteError(Exception):
    """Root of everything magnetite raises on purpose. `str()` tells the user what was wrong, where, and what to do."""

    reason = Reason.PROTOCOL_ERROR

    def __init__(self, message: str = "", reason: Reason | None = None) -> None:
        if reason is not None:
            self.reason = reason
        super().__init__(message or self.reason.value)


class LocalProtocolError(MagnetiteError):
    """Our caller asked for something the protocol forbids."""

    reason = Reason.INVALID_ARGUMENT


class RemoteProtocolError(MagnetiteError):
    """The other side broke the protocol."""


class BencodeError(RemoteProtocolError):
    """Bytes that are not the bencoding BEP 3 describes, or are larger than we allow."""


class KrpcError(RemoteProtocolError):
    """A datagram that is no KRPC message (BEP 5)."""


class WireError(RemoteProtocolError):
    """A byte stream that breaks the peer wire protocol (BEP 3, 6, 10)."""


class MetadataMismatch(RemoteProtocolError):
    """Metadata whose SHA-1 is not the info-hash (BEP 9)."""

    reason = Reason.METADATA_MISMATCH


class QueryError(MagnetiteError):
    """A node answered our query with a KRPC error (BEP 5, Errors)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class QueryTimeout(MagnetiteError):
    """A node did not answer our query in time."""

    reason = Reason.TIMEOUT


class InvalidMagnet(MagnetiteError):
    """Text that is no magnet link with a BitTorrent info-hash (BEP 9)."""

    reason = Reason.INVALID_MAGNET


class InvalidMetainfo(MagnetiteError):
    """Bytes that are no torrent, or whose fields contradict each other (BEP 3)."""

    reason = Reason.INVALID_METAINFO


class PrivateTorrent(MagnetiteError):
    """A torrent that forbids the DHT (BEP 27), the only way magnetite finds peers."""

    reason = Reason.PRIVATE_TORRENT


class UnsupportedTorrent(MagnetiteError):
    """A torrent of a kind magnetite knows but cannot open yet (BEP 52 without a v1 info-hash)."""

    reason = Reason.UNSUPPORTED


class StorageError(MagnetiteError):
    """The disk would not take or give the bytes; `reason` says which way."""

    reason = Reason.DISK_ERROR


class NetworkError(MagnetiteError):
    """A socket could not be opened, connected or used; `reason` says which way."""

    reason = Reason.CONNECTION_LOST


class StudyError(MagnetiteError):
    """A study that is none, that is not there, or that was asked for what it has not."""

    reason = Reason.INVALID_ARGUMENT
