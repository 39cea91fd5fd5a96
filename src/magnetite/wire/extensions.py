"""What extension messages say: their handshake (BEP 10, 21), metadata (BEP 9) and lost pieces (BEP 54). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from struct import Struct as Layout
from sys import intern
from typing import TypeAlias, TypeVar

from msgspec import Struct, field

from magnetite import bencoding
from magnetite.bencoding import EXTENSION, Encodable, Value
from magnetite.errors import WireError
from magnetite.wire.messages import Extended

HANDSHAKE_ID = 0  # of the Extended message that carries an extension handshake
DISABLED = 0  # in `m`: the extension is off
UT_METADATA = "ut_metadata"  # BEP 9
LT_DONTHAVE = "lt_donthave"  # BEP 54
METADATA_BLOCK = 16 << 10  # bytes of every piece of metadata but the last (BEP 9)
MAX_NAME = 64  # characters of an extension's name; longer ones are none that we know
MAX_VERSION = 100  # characters of `v`


class ExtensionHandshake(Struct, frozen=True):
    """What one extension handshake says, or several together; None where it says nothing.

    `m` maps names to ids, 1 to 255, no two the same; 0 switches an extension off. The ids are those that the sender of
    the handshake wants to receive.
    """

    m: Mapping[str, int] = field(default_factory=dict)
    v: str | None = None  # client and version
    p: int | None = None  # TCP port it listens on
    metadata_size: int | None = None  # bytes of the info dictionary (BEP 9); as claimed, and with no upper bound
    reqq: int | None = None  # outstanding requests it keeps without dropping any
    yourip: str | None = None  # how it sees our address
    upload_only: bool | None = None  # it wants nothing more (BEP 21)
    e: bool | None = None  # it prefers encrypted connections (BEP 11)

    def id_of(self, name: str) -> int | None:
        """The id for messages of this extension to the sender, None if it does not want them."""
        return self.m.get(name) or None

    def updated(self, later: ExtensionHandshake) -> ExtensionHandshake:
        """This and a later one of the same peer: `m` is additive, so it holds at most 255 names (BEP 10).

        The first metadata_size stands: a peer must not make us start again and again.
        """
        taken = {DISABLED, *later.m.values()}
        m = {name: number for name, number in self.m.items() if name not in later.m and number not in taken}
        m.update((name, number) for name, number in later.m.items() if number != DISABLED)
        return ExtensionHandshake(
            m=m,
            v=_later(self.v, later.v),
            p=_later(self.p, later.p),
            metadata_size=_later(later.metadata_size, self.metadata_size),
            reqq=_later(self.reqq, later.reqq),
            yourip=_later(self.yourip, later.yourip),
            upload_only=_later(self.upload_only, later.upload_only),
            e=_later(self.e, later.e),
        )

    def encode(self) -> bytes:
        """The payload of Extended(HANDSHAKE_ID, payload)."""
        fields: dict[str, Encodable | None] = {
            "m": dict(self.m),
            "v": self.v,
            "p": self.p,
            "metadata_size": self.metadata_size,
            "reqq": self.reqq,
            "yourip": None if self.yourip is None else ip_address(self.yourip).packed,
            "upload_only": None if self.upload_only is None else int(self.upload_only),
            "e": None if self.e is None else int(self.e),
        }
        return bencoding.encode({name: value for name, value in fields.items() if value is not None})


def decode_extension_handshake(payload: bytes) -> ExtensionHandshake:
    """What the payload of an extension handshake says.

    Everything in it is optional (BEP 10), and clients get single fields wrong: a field with a value it cannot have
    counts as absent. Raises RemoteProtocolError if the payload is no bencoded dictionary or nests or holds too much.
    """
    said, _ = bencoding.decode_dict(payload, EXTENSION)
    return ExtensionHandshake(
        m=_ids(said.get(b"m")),
        v=_text(said.get(b"v")),
        p=_number(said.get(b"p"), 1, 0xFFFF),
        metadata_size=_number(said.get(b"metadata_size"), 1),
        reqq=_number(said.get(b"reqq"), 1),
        yourip=_address(said.get(b"yourip")),
        upload_only=_flag(said.get(b"upload_only")),
        e=_flag(said.get(b"e")),
    )


# -- ut_metadata (BEP 9) ---------------------------------------------------------------------------------------------


class MetadataRequest(Struct, frozen=True):
    piece: int


class MetadataData(Struct, frozen=True):
    """16 KiB of the metadata, fewer if it is the last piece; `total_size` is as claimed, and with no upper bound."""

    piece: int
    total_size: int
    data: bytes

    def __repr__(self) -> str:
        return f"MetadataData(piece={self.piece}, {len(self.data)} bytes)"


class MetadataReject(Struct, frozen=True):
    """The sender does not have the piece, or has sent it often enough."""

    piece: int


MetadataMessage: TypeAlias = MetadataRequest | MetadataData | MetadataReject


def encode_metadata(message: MetadataMessage) -> bytes:
    """The payload of an Extended message with the id that the receiver gave `ut_metadata`."""
    match message:
        case MetadataRequest(piece):
            return bencoding.encode({"msg_type": 0, "piece": piece})
        case MetadataData(piece, total_size, data):
            return bencoding.encode({"msg_type": 1, "piece": piece, "total_size": total_size}) + data
        case MetadataReject(piece):
            return bencoding.encode({"msg_type": 2, "piece": piece})


def decode_metadata(payload: bytes) -> MetadataMessage | None:
    """The message in such a payload; None if its type is unknown, for those "MUST be ignored" (BEP 9).

    Raises RemoteProtocolError.
    """
    said, end = bencoding.decode_prefix(payload, EXTENSION)
    if not isinstance(said, dict):
        raise WireError("ut_metadata message is not a dictionary")
    match _required(said, b"msg_type"):
        case 0:
            return MetadataRequest(_required(said, b"piece"))
        case 1:
            data = payload[end:]
            if not 0 < len(data) <= METADATA_BLOCK:
                raise WireError(f"{len(data)} bytes in a piece of metadata")
            return MetadataData(_required(said, b"piece"), _required(said, b"total_size"), data)
        case 2:
            return MetadataReject(_required(said, b"piece"))
    return None


# -- lt_donthave (BEP 54) --------------------------------------------------------------------------------------------

_DONT_HAVE = Layout(">IBBI")


def encode_dont_haves(number: int, pieces: Iterable[int]) -> bytes:
    """A message for each of the pieces that we have no more, length and all; `number` is the receiver's id for them."""
    return b"".join([_DONT_HAVE.pack(6, Extended.ID, number, piece) for piece in pieces])


def decode_dont_have(payload: bytes) -> int:
    """The piece that the sender has no more, however high a number it is. Raises RemoteProtocolError."""
    if len(payload) != 4:
        raise WireError(f"lt_donthave message of {len(payload)} bytes")
    return int.from_bytes(payload, "big")


# -- fields ----------------------------------------------------------------------------------------------------------

_T = TypeVar("_T")


def _later(earlier: _T | None, later: _T | None) -> _T | None:
    return earlier if later is None else later


def _required(said: dict[bytes, Value], key: bytes) -> int:
    value = said.get(key)
    if not isinstance(value, int) or value < 0:
        raise WireError(f"ut_metadata message without a {key.decode()}")
    return value


def _number(value: Value | None, least: int, most: int = bencoding.INT64 - 1) -> int | None:
    return value if isinstance(value, int) and least <= value <= most else None


def _flag(value: Value | None) -> bool | None:
    return bool(value) if isinstance(value, int) else None


def _text(value: Value | None) -> str | None:
    """Printable text, whatever was sent: it is shown to people."""
    if not isinstance(value, bytes):
        return None
    text = value[: 4 * MAX_VERSION].decode(errors="replace")[:MAX_VERSION]
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _address(value: Value | None) -> str | None:
    return str(ip_address(value)) if isinstance(value, bytes) and len(value) in (4, 16) else None


def _ids(value: Value | None) -> dict[str, int]:
    """Names to ids. Of two names with one id the first stands, so that later handshakes cannot make this grow."""
    ids: dict[str, int] = {}
    taken: set[int] = set()
    for raw, number in value.items() if isinstance(value, dict) else ():
        name = raw.decode(errors="replace")
        if not isinstance(number, int) or not 0 <= number <= 0xFF or number in taken or len(name) > MAX_NAME:
            continue
        ids[intern(name)] = number  # one of few, and kept for every peer
        if number != DISABLED:
            taken.add(number)
    return ids
