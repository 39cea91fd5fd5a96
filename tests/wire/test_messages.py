from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import LocalProtocolError, WireError
from magnetite.wire import messages
from magnetite.wire.messages import (
    MAX_BLOCK,
    MAX_EXTENDED,
    MAX_PIECES,
    MAX_UNKNOWN,
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
    block_header,
    check_length,
    decode,
    encode,
    encode_requests,
)
from tests.wire.streams import all_messages, block_requests

BLOCK = BlockRequest(1, 0x4000, 0x2000)
BLOCK_HEX = "000000010000400000002000"

VECTORS = [  # written by hand from BEP 3, 5, 6 and 10
    (KeepAlive(), "00000000"),
    (Choke(), "0000000100"),
    (Unchoke(), "0000000101"),
    (Interested(), "0000000102"),
    (NotInterested(), "0000000103"),
    (Have(0x01020304), "000000050401020304"),
    (BitfieldMessage(b"\xf0\x80"), "0000000305f080"),
    (Request(BLOCK), "0000000d06" + BLOCK_HEX),
    (Block(1, 0x4000, b"data"), "0000000d07000000010000400064617461"),
    (Cancel(BLOCK), "0000000d08" + BLOCK_HEX),
    (Port(6881), "00000003091ae1"),
    (Suggest(5), "000000050d00000005"),
    (HaveAll(), "000000010e"),
    (HaveNone(), "000000010f"),
    (Reject(BLOCK), "0000000d10" + BLOCK_HEX),
    (AllowedFast(5), "000000051100000005"),
    (Extended(3, b"de"), "0000000414036465"),
]


@pytest.mark.parametrize(("message", "data"), VECTORS)
def test_messages_have_the_bytes_of_their_beps(message: Message, data: str) -> None:
    assert encode(message) == bytes.fromhex(data)


def test_every_message_has_a_vector() -> None:
    assert {type(message) for message, _ in VECTORS} == set(messages.Message.__args__)


@given(all_messages.filter(lambda message: message != KeepAlive()))
def test_decode_after_encode_is_the_identity(message: Message) -> None:
    data = encode(message)
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert decode(data[4], memoryview(data)[5:]) == message


@given(st.integers(0, 255), st.binary(max_size=40))
def test_any_payload_decodes_or_raises_wire_error(message_id: int, payload: bytes) -> None:
    try:
        message = decode(message_id, memoryview(payload))
    except WireError:
        return
    if message is not None:
        assert encode(message)[4:] == bytes([message_id]) + payload


@pytest.mark.parametrize(
    ("message_id", "shortest", "longest"),
    [
        *((bare, 0, 0) for bare in (0, 1, 2, 3, 14, 15)),
        *((of_piece, 4, 4) for of_piece in (4, 13, 17)),
        *((of_block, 12, 12) for of_block in (6, 8, 16)),
        (5, 1, MAX_PIECES // 8),
        (7, 8, 8 + MAX_BLOCK),
        (9, 2, 2),
        (20, 1, 1 + MAX_EXTENDED),
        (99, 0, MAX_UNKNOWN),
    ],
)
def test_a_length_that_a_message_cannot_have_is_refused(message_id: int, shortest: int, longest: int) -> None:
    check_length(message_id, shortest)
    check_length(message_id, longest)
    for wrong in (shortest - 1, longest + 1):
        with pytest.raises(WireError):
            check_length(message_id, wrong)


def test_unknown_messages_decode_to_nothing() -> None:
    assert decode(99, memoryview(b"whatever")) is None


def test_only_the_data_of_blocks_is_a_view() -> None:
    received = bytearray(encode(Block(1, 2, b"old")))
    block = decode(Block.ID, memoryview(received)[5:])
    bitfield = decode(BitfieldMessage.ID, memoryview(received)[13:])
    extended = decode(Extended.ID, memoryview(received)[13:])
    received[13:] = b"new"
    assert block == Block(1, 2, b"new")
    assert bitfield == BitfieldMessage(b"old")
    assert extended == Extended(ord("o"), b"ld")


@given(st.lists(block_requests))
def test_requests_encoded_together_are_requests_encoded_one_by_one(blocks: list[BlockRequest]) -> None:
    assert encode_requests(blocks) == b"".join(encode(Request(block)) for block in blocks)


def test_header_and_data_of_a_block_are_the_block() -> None:
    assert block_header(7, 16384, 5) + b"bytes" == encode(Block(7, 16384, b"bytes"))


def test_a_block_answers_the_request_for_it() -> None:
    assert Block(7, 16384, memoryview(b"bytes")).request == BlockRequest(7, 16384, 5)


@pytest.mark.parametrize(
    "message", [Have(2**32), Have(-1), Request(BlockRequest(0, 2**32, 1)), Port(65536), Extended(256, b"")]
)
def test_a_number_too_large_for_its_field_is_our_mistake(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        encode(message)
