"""What the tests of the wire share: strategies for its values, and ways to feed a PeerWire."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st
from msgspec.structs import replace

from magnetite.ids import InfoHash, PeerId
from magnetite.wire.handshake import Handshake
from magnetite.wire.messages import (
    MAX_BLOCK,
    AllowedFast,
    BitfieldMessage,
    Block,
    BlockRequest,
    Cancel,
    Choke,
    Extended,
    Have,
    HaveAll,
    HaveNone,
    Interested,
    KeepAlive,
    Message,
    NotInterested,
    Port,
    Reject,
    Request,
    Suggest,
    Unchoke,
    encode,
)
from magnetite.wire.peer_wire import PeerWire

PIECES = 1000
HANDSHAKE = Handshake(InfoHash(0xABCDEF << 136), PeerId(b"-XX0000-abcdefghijkl"), extensions=True, fast=True, dht=True)

handshakes = st.builds(
    Handshake,
    st.binary(min_size=20, max_size=20).map(InfoHash.decode),
    st.binary(min_size=20, max_size=20).map(PeerId),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)

_uint32 = st.integers(0, 2**32 - 1)
pieces = st.integers(0, PIECES - 1)
block_requests = st.builds(BlockRequest, pieces, _uint32, st.integers(1, MAX_BLOCK))
bitfields = st.builds(BitfieldMessage, st.binary(min_size=PIECES // 8, max_size=PIECES // 8))
openings = bitfields | st.just(HaveAll()) | st.just(HaveNone())
extended = st.builds(Extended, st.integers(0, 255), st.binary(max_size=300))
blocks = st.builds(Block, pieces, _uint32, st.binary(max_size=400)) | st.builds(
    Block, pieces, _uint32, st.sampled_from([b"x" * 16384, b"y" * MAX_BLOCK])
)
later_messages = st.one_of(
    st.sampled_from([KeepAlive(), Choke(), Unchoke(), Interested(), NotInterested()]),
    st.builds(Have, pieces),
    st.builds(Suggest, pieces),
    st.builds(AllowedFast, pieces),
    st.builds(Request, block_requests),
    st.builds(Cancel, block_requests),
    st.builds(Reject, block_requests),
    st.builds(Port, st.integers(0, 65535)),
    extended,
    blocks,
)
all_messages = openings | later_messages
# a conversation that keeps to the rules
conversations = st.tuples(st.lists(extended, max_size=2), openings, st.lists(later_messages, max_size=20)).map(
    lambda parts: [*parts[0], parts[1], *parts[2]]
)


def stream(messages: Iterable[Message], handshake: Handshake = HANDSHAKE) -> bytes:
    return handshake.encode() + b"".join(map(encode, messages))


def frame(message_id: int, payload: bytes = b"") -> bytes:
    """Any message at all, allowed or not."""
    return (1 + len(payload)).to_bytes(4, "big") + bytes([message_id]) + payload


def feed(wire: PeerWire, data: bytes, sizes: Iterable[int] = ()) -> list[Message]:
    """All messages in `data`, received in reads of these sizes and then in reads as large as there is room for.

    The data of Blocks is copied out before the next read, as it must be.
    """
    messages: list[Message] = []
    reads = iter(sizes)
    at = 0
    while at < len(data):
        buffer = wire.buffer()
        assert len(buffer) > 0
        count = min(len(buffer), len(data) - at, next(reads, len(data)))
        buffer[:count] = data[at : at + count]
        at += count
        messages += map(_kept, wire.received(count))
    return messages


def _kept(message: Message) -> Message:
    return replace(message, data=bytes(message.data)) if isinstance(message, Block) else message


def shaken(piece_count: int | None = None) -> PeerWire:
    """A wire that has received HANDSHAKE."""
    wire = PeerWire(piece_count=piece_count)
    feed(wire, HANDSHAKE.encode())
    return wire
