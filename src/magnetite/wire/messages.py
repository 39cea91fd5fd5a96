"""The messages of the peer wire protocol, and their bytes (BEP 3; BEP 5, 6 and 10 for the later ones). Pure.

On the wire a message is its length (4 bytes, big-endian), its id (1 byte) and its payload; a keep-alive is a length of
zero and nothing else. `decode` reads one payload; the cutting of a stream into messages is PeerWire's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct as Layout
from struct import error as StructError
from typing import ClassVar, NamedTuple, TypeAlias

from msgspec import Struct

from magnetite.errors import LocalProtocolError, WireError

BLOCK_LENGTH = 16 << 10  # what everybody asks for; BEP 3: more is refused by "all current implementations"
MAX_BLOCK = 128 << 10  # what old clients ask for, and the most libtorrent serves
MAX_PIECES = 1 << 21  # their hashes alone are 40 MiB, and we take 32 MiB of metadata
MAX_EXTENDED = 1 << 20  # no extension we know comes near
MAX_UNKNOWN = 128 << 10  # a message of a kind we do not know and skip


class BlockRequest(NamedTuple):
    """Which block: `length` bytes from byte `begin` of `piece`.

    A tuple, not a dataclass: it is the key of every table of outstanding requests.
    """

    piece: int
    begin: int
    length: int


class KeepAlive(Struct, frozen=True):
    """Nothing; sent every two minutes or so."""


class Choke(Struct, frozen=True):
    ID: ClassVar[int] = 0


class Unchoke(Struct, frozen=True):
    ID: ClassVar[int] = 1


class Interested(Struct, frozen=True):
    ID: ClassVar[int] = 2


class NotInterested(Struct, frozen=True):
    ID: ClassVar[int] = 3


class Have(Struct, frozen=True):
    """The sender has `piece`, verified."""

    piece: int

    ID: ClassVar[int] = 4


class BitfieldMessage(Struct, frozen=True):
    """Which pieces the sender has: piece 0 is the highest bit of the first byte; spare bits are zero."""

    bits: bytes

    ID: ClassVar[int] = 5


class Request(Struct, frozen=True):
    block: BlockRequest

    ID: ClassVar[int] = 6


class Block(Struct, frozen=True):
    """The `piece` message: `data` belongs at byte `begin` of `piece`.

    BitComet sends one without data where others reject a request.
    """

    piece: int
    begin: int
    data: bytes | memoryview

    ID: ClassVar[int] = 7

    def __repr__(self) -> str:
        return f"Block(piece={self.piece}, begin={self.begin}, {len(self.data)} bytes)"

    @property
    def request(self) -> BlockRequest:
        """The request that this answers."""
        return BlockRequest(self.piece, self.begin, len(self.data))


class Cancel(Struct, frozen=True):
    block: BlockRequest

    ID: ClassVar[int] = 8


class Port(Struct, frozen=True):
    """The UDP port of the sender's DHT node (BEP 5)."""

    port: int

    ID: ClassVar[int] = 9


class Suggest(Struct, frozen=True):
    """The sender would like to be asked for `piece` (BEP 6)."""

    piece: int

    ID: ClassVar[int] = 13


class HaveAll(Struct, frozen=True):
    """In place of a full bitfield (BEP 6)."""

    ID: ClassVar[int] = 14


class HaveNone(Struct, frozen=True):
    """In place of an empty bitfield (BEP 6)."""

    ID: ClassVar[int] = 15


class Reject(Struct, frozen=True):
    """The sender will not serve this request (BEP 6)."""

    block: BlockRequest

    ID: ClassVar[int] = 16


class AllowedFast(Struct, frozen=True):
    """The receiver may ask for `piece` even while choked; says nothing about the sender having it (BEP 6)."""

    piece: int

    ID: ClassVar[int] = 17


class Extended(Struct, frozen=True):
    """A message of an extension (BEP 10): `id` is the number its receiver gave the extension; 0 is the handshake."""

    id: int
    payload: bytes

    ID: ClassVar[int] = 20

    def __repr__(self) -> str:
        return f"Extended(id={self.id}, {len(self.payload)} bytes)"


_Bare: TypeAlias = Choke | Unchoke | Interested | NotInterested | HaveAll | HaveNone
_OfPiece: TypeAlias = Have | Suggest | AllowedFast
_OfBlock: TypeAlias = Request | Cancel | Reject
Message: TypeAlias = KeepAlive | _Bare | _OfPiece | _OfBlock | BitfieldMessage | Block | Port | Extended

FAST_IDS = frozenset({Suggest.ID, HaveAll.ID, HaveNone.ID, Reject.ID, AllowedFast.ID})  # BEP 6


# -- to bytes --------------------------------------------------------------------------------------------------------

_HEAD = Layout(">IB")
_WITH_PIECE = Layout(">IBI")
_WITH_BLOCK = Layout(">IBIII")
_BLOCK_HEADER = Layout(">IBII")
_WITH_PORT = Layout(">IBH")
_WITH_EXTENSION = Layout(">IBB")


def encode(message: Message) -> bytes:
    """The message as it is sent, length and all. Raises LocalProtocolError if a number does not fit its field."""
    try:
        match message:
            case Request(block) | Cancel(block) | Reject(block):
                return _WITH_BLOCK.pack(13, message.ID, *block)
            case Have(piece) | Suggest(piece) | AllowedFast(piece):
                return _WITH_PIECE.pack(5, message.ID, piece)
            case KeepAlive():
                return bytes(4)
            case Block(piece, begin, data):
                return b"".join((block_header(piece, begin, len(data)), data))
            case BitfieldMessage(bits):
                return _HEAD.pack(1 + len(bits), message.ID) + bits
            case Port(port):
                return _WITH_PORT.pack(3, message.ID, port)
            case Extended(extension_id, payload):
                return _WITH_EXTENSION.pack(2 + len(payload), message.ID, extension_id) + payload
            case _:
                return _HEAD.pack(1, message.ID)
    except StructError as error:
        raise LocalProtocolError(f"{message} cannot be sent: {error}") from None


def encode_requests(blocks: Iterable[BlockRequest]) -> bytes:
    """A Request for each block, in one piece: filling a pipeline must be one send, not hundreds."""
    pack, request = _WITH_BLOCK.pack, Request.ID
    return b"".join([pack(13, request, piece, begin, length) for piece, begin, length in blocks])


def encode_haves(pieces: Iterable[int]) -> bytes:
    """A Have for each piece, in one piece."""
    pack, have = _WITH_PIECE.pack, Have.ID
    return b"".join([pack(5, have, piece) for piece in pieces])


def block_header(piece: int, begin: int, length: int) -> bytes:
    """The 13 bytes before the `length` bytes of a Block, so that header and data can be sent without joining them."""
    return _BLOCK_HEADER.pack(9 + length, Block.ID, piece, begin)


# -- from bytes ------------------------------------------------------------------------------------------------------

_PIECE = Layout(">I")
_BLOCK = Layout(">III")
_PIECE_AND_BEGIN = Layout(">II")
_PORT = Layout(">H")


class _Form(NamedTuple):
    """How long a payload may be, in bytes, and what reads one of such a length."""

    shortest: int
    longest: int
    read: Callable[[memoryview], Message]


def _bare(message: _Bare) -> _Form:
    return _Form(0, 0, lambda _: message)


def _of_piece(kind: type[_OfPiece]) -> _Form:
    return _Form(4, 4, lambda payload: kind(*_PIECE.unpack(payload)))


def _of_block(kind: type[_OfBlock]) -> _Form:
    return _Form(12, 12, lambda payload: kind(BlockRequest(*_BLOCK.unpack(payload))))


def _read_block(payload: memoryview) -> Block:
    piece, begin = _PIECE_AND_BEGIN.unpack_from(payload)
    return Block(piece, begin, payload[8:])


_FORMS = {
    Choke.ID: _bare(Choke()),
    Unchoke.ID: _bare(Unchoke()),
    Interested.ID: _bare(Interested()),
    NotInterested.ID: _bare(NotInterested()),
    Have.ID: _of_piece(Have),
    BitfieldMessage.ID: _Form(1, MAX_PIECES // 8, lambda payload: BitfieldMessage(bytes(payload))),
    Request.ID: _of_block(Request),
    Block.ID: _Form(8, 8 + MAX_BLOCK, _read_block),
    Cancel.ID: _of_block(Cancel),
    Port.ID: _Form(2, 2, lambda payload: Port(*_PORT.unpack(payload))),
    Suggest.ID: _of_piece(Suggest),
    HaveAll.ID: _bare(HaveAll()),
    HaveNone.ID: _bare(HaveNone()),
    Reject.ID: _of_block(Reject),
    AllowedFast.ID: _of_piece(AllowedFast),
    Extended.ID: _Form(1, 1 + MAX_EXTENDED, lambda payload: Extended(payload[0], bytes(payload[1:]))),
}


def check_length(message_id: int, length: int) -> None:
    """Whether a payload of `length` bytes may follow this id. Raises WireError: before the payload has come."""
    form = _FORMS.get(message_id)
    shortest, longest = (0, MAX_UNKNOWN) if form is None else form[:2]
    if not shortest <= length <= longest:
        raise WireError(f"message {message_id} with {length} bytes of payload")


def decode(message_id: int, payload: memoryview) -> Message | None:
    """The message of this id, None if the id is unknown. Raises WireError if the payload has a length it cannot have.

    A Block's data is a part of `payload`, not a copy; everything else is copied out.
    """
    check_length(message_id, len(payload))
    form = _FORMS.get(message_id)
    return None if form is None else form.read(payload)
