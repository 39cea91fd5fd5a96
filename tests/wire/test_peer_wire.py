from __future__ import annotations

import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import LocalProtocolError, WireError
from magnetite.wire.handshake import INFO_HASH_KNOWN, Handshake
from magnetite.wire.messages import (
    BLOCK_LENGTH,
    MAX_BLOCK,
    MAX_EXTENDED,
    MAX_PIECES,
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
    Port,
    Reject,
    Request,
    Suggest,
    Unchoke,
    encode,
)
from magnetite.wire.peer_wire import LARGE_BUFFER, PeerWire, new_landing
from tests.wire.streams import HANDSHAKE, PIECES, conversations, feed, frame, handshakes, shaken, stream

BITFIELD = BitfieldMessage(b"\xff" * (PIECES // 8))
REQUEST = BlockRequest(0, 0, 16384)
sizes = st.lists(st.integers(1, 60_000), max_size=60)


# -- whatever the chunks ---------------------------------------------------------------------------------------------


@given(conversations, sizes, st.sampled_from([None, PIECES]))
def test_any_chunking_gives_the_messages_that_were_sent(
    messages: list[Message], sizes: list[int], piece_count: int | None
) -> None:
    wire = PeerWire(piece_count=piece_count)
    assert feed(wire, stream(messages), sizes) == messages
    assert wire.handshake == HANDSHAKE


@given(
    st.lists(st.sampled_from([BLOCK_LENGTH, BLOCK_LENGTH - 1, BLOCK_LENGTH + 1, 1, 0]), min_size=1, max_size=30),
    st.lists(st.integers(1, 50_000), max_size=60),
    st.lists(st.integers(0, PIECES), min_size=1, max_size=4),
)
def test_blocks_of_the_usual_length_are_read_as_all_others(
    lengths: list[int], sizes: list[int], pieces: list[int]
) -> None:
    """They take a way of their own: the same blocks, and the same objection to a piece that does not exist."""
    sent = [
        Block(pieces[number % len(pieces)], number << 14, bytes([number]) * length)
        for number, length in enumerate(lengths)
    ]
    wire = PeerWire(piece_count=PIECES)
    if any(block.piece >= PIECES for block in sent):
        with pytest.raises(WireError, match="piece"):
            feed(wire, stream(sent), sizes)
    else:
        assert feed(wire, stream(sent), sizes) == sent
        assert wire._highest_piece == max(block.piece for block in sent)


def test_a_drip_of_single_bytes_gives_the_messages_that_were_sent() -> None:
    messages = [Extended(0, b"de"), BITFIELD, Unchoke(), KeepAlive(), Block(3, 0, b"x" * 500), Have(7), Choke()]
    data = stream(messages)
    wire = PeerWire(piece_count=PIECES)
    assert feed(wire, data, [1] * len(data)) == messages


@given(handshakes)
def test_info_hash_and_handshake_are_known_as_soon_as_their_bytes_are_there(handshake: Handshake) -> None:
    wire = PeerWire()
    for count, byte in enumerate(handshake.encode(), start=1):
        assert feed(wire, bytes([byte])) == []
        assert wire.info_hash == (handshake.info_hash if count >= INFO_HASH_KNOWN else None)
        assert wire.handshake == (handshake if count == 68 else None)


@given(st.binary(max_size=200), sizes)
def test_any_bytes_parse_or_raise_wire_error(junk: bytes, sizes: list[int]) -> None:
    for start in (b"", HANDSHAKE.encode()):
        try:
            feed(PeerWire(), start + junk, sizes)
        except WireError:
            continue


@given(conversations, st.data())
def test_a_damaged_stream_parses_or_raises_wire_error_and_chunks_do_not_matter(
    messages: list[Message], data: st.DataObject
) -> None:
    damaged = bytearray(stream(messages))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(damaged) - 1, 400)))
        damaged[at] = data.draw(st.integers(0, 255))
    whole = outcome(bytes(damaged), [])
    assert whole == outcome(bytes(damaged), data.draw(sizes))


def outcome(data: bytes, sizes: list[int]) -> list[Message] | None:
    """The messages, or None where the stream is refused."""
    try:
        return feed(PeerWire(piece_count=PIECES), data, sizes)
    except WireError:
        return None


# -- the order -------------------------------------------------------------------------------------------------------

TELLING = (BITFIELD, HaveAll(), HaveNone())
SILENT = (KeepAlive(), Choke(), Interested(), Request(REQUEST), Port(6881), Extended(0, b"de"), AllowedFast(1))
STEPS = (*TELLING, Have(1), *SILENT)


def test_what_a_peer_has_may_be_told_at_any_time_and_again() -> None:
    """aria2 sends a bitfield in place of many Haves, and HAVE_ALL when it has all."""
    for steps in product(STEPS, repeat=3):
        wire = shaken(piece_count=PIECES)
        assert feed(wire, b"".join(map(encode, steps))) == list(steps)


@pytest.mark.parametrize("message", STEPS)
def test_nothing_comes_before_the_handshake(message: Message) -> None:
    with pytest.raises(WireError):
        feed(PeerWire(), encode(message))


FAST = (HaveAll(), HaveNone(), Suggest(1), AllowedFast(1), Reject(REQUEST))


@pytest.mark.parametrize("message", [*FAST, Extended(0, b"de")])
@pytest.mark.parametrize(("ours", "theirs"), [*product([False, True], repeat=2)])
def test_messages_of_an_extension_need_the_offer_of_both_sides(message: Message, ours: bool, theirs: bool) -> None:
    offered = Handshake(HANDSHAKE.info_hash, HANDSHAKE.peer_id, extensions=theirs, fast=theirs)
    wire = PeerWire(extensions=ours, fast=ours)
    assert not wire.fast
    assert not wire.extensions
    data = stream([message], offered)
    if ours and theirs:
        assert feed(wire, data) == [message]
    else:
        with pytest.raises(WireError, match="without the"):
            feed(wire, data)
    assert wire.fast == wire.extensions == (ours and theirs)


# -- pieces ----------------------------------------------------------------------------------------------------------


def of_piece(piece: int) -> list[Message]:
    block = BlockRequest(piece, 0, 16384)
    return [
        Have(piece),
        Suggest(piece),
        AllowedFast(piece),
        Block(piece, 0, b"x"),
        Request(block),
        Cancel(block),
        Reject(block),
    ]


@pytest.mark.parametrize("kind", range(len(of_piece(0))))
def test_a_piece_beyond_the_last_is_refused_also_when_the_metadata_comes_later(kind: int) -> None:
    last, beyond = of_piece(PIECES - 1)[kind], of_piece(PIECES)[kind]
    assert feed(shaken(piece_count=PIECES), encode(last)) == [last]
    with pytest.raises(WireError):
        feed(shaken(piece_count=PIECES), encode(beyond))

    wire = shaken()
    assert feed(wire, encode(last)) == [last]
    wire.set_piece_count(PIECES)

    wire = shaken()
    assert feed(wire, encode(beyond)) == [beyond]
    with pytest.raises(WireError):
        wire.set_piece_count(PIECES)


@pytest.mark.parametrize("kind", range(len(of_piece(0))))
def test_even_without_metadata_there_are_not_more_pieces_than_metadata_can_hold(kind: int) -> None:
    feed(shaken(), encode(of_piece(MAX_PIECES - 1)[kind]))
    with pytest.raises(WireError):
        feed(shaken(), encode(of_piece(MAX_PIECES)[kind]))


@given(st.integers(1, 40), st.binary(min_size=1, max_size=6))
def test_a_bitfield_is_refused_now_or_later_unless_it_fits_the_piece_count(piece_count: int, bits: bytes) -> None:
    have = [index for index in range(8 * len(bits)) if bits[index // 8] >> (7 - index % 8) & 1]
    fits = len(bits) == -(-piece_count // 8) and all(index < piece_count for index in have)
    data = encode(BitfieldMessage(bits))

    early = shaken()
    assert feed(early, data) == [BitfieldMessage(bits)]
    if fits:
        early.set_piece_count(piece_count)
        assert feed(shaken(piece_count=piece_count), data) == [BitfieldMessage(bits)]
        return
    with pytest.raises(WireError):
        early.set_piece_count(piece_count)
    with pytest.raises(WireError):
        feed(shaken(piece_count=piece_count), data)


def test_a_bitfield_that_is_still_coming_in_is_checked_against_metadata_that_has_just_come() -> None:
    data = encode(BitfieldMessage(bytes(10)))
    wire = shaken()
    feed(wire, data[:9])
    wire.set_piece_count(1000)
    with pytest.raises(WireError, match="bitfield of 10 bytes"):
        feed(wire, data[9:])


def test_the_piece_count_is_set_once() -> None:
    wire = PeerWire(piece_count=5)
    wire.set_piece_count(5)
    with pytest.raises(LocalProtocolError):
        wire.set_piece_count(6)


@pytest.mark.parametrize("count", [0, -1, MAX_PIECES + 1])
def test_a_piece_count_that_cannot_be_is_our_mistake(count: int) -> None:
    with pytest.raises(LocalProtocolError):
        PeerWire(piece_count=count)


# -- lengths ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, MAX_BLOCK + 1])
@pytest.mark.parametrize("kind", [Request, Cancel, Reject])
def test_blocks_of_no_or_absurd_length_are_not_asked_for(kind: type[Request], length: int) -> None:
    with pytest.raises(WireError, match="block of"):
        feed(shaken(), encode(kind(BlockRequest(0, 0, length))))


@pytest.mark.parametrize("length", [MAX_EXTENDED + 3, 2**31, 2**32 - 1])
def test_an_absurd_length_is_refused_before_anything_is_kept_for_it(length: int) -> None:
    for message_id in range(256):
        with pytest.raises(WireError, match=f"message {message_id} with"):
            feed(shaken(), length.to_bytes(4, "big") + bytes([message_id]))


def test_messages_of_unknown_kinds_are_skipped() -> None:
    unknown = frame(21, b"x" * 50_000) + frame(10) + frame(255, b"yz")
    wire = shaken()
    assert feed(wire, encode(Choke()) + unknown + encode(Unchoke())) == [Choke(), Unchoke()]
    assert (wire.skipped, wire.skipped_bytes) == (3, 50_002), "and counted"


def test_the_longest_messages_pass() -> None:
    longest = [
        BitfieldMessage(bytes(MAX_PIECES // 8)),
        Extended(1, b"x" * MAX_EXTENDED),
        Block(0, 0, b"y" * MAX_BLOCK),
    ]
    assert feed(shaken(), b"".join(map(encode, longest)), [1000] * 100) == longest


# -- the buffer ------------------------------------------------------------------------------------------------------


def held(wire: PeerWire) -> int:
    """Bytes that the wire itself keeps between two reads."""
    return sys.getsizeof(wire._unfinished)


def test_a_wire_keeps_nothing_between_two_reads_but_an_unfinished_message() -> None:
    wire = shaken()
    wire.land_in(new_landing())
    feed(wire, encode(BITFIELD) + encode(Interested()) + encode(KeepAlive()) * 100)
    feed(wire, encode(Block(0, 0, b"x" * 16384)) * 200)
    assert held(wire) < 100
    feed(wire, encode(Have(1))[:7])
    assert held(wire) < 100


def test_reads_may_be_half_a_mebibyte_long() -> None:
    wire = shaken()
    wire.land_in(new_landing())
    assert len(wire.buffer()) == LARGE_BUFFER


def test_a_long_message_is_given_memory_as_it_comes_and_not_for_its_claim() -> None:
    message = encode(Extended(1, b"x" * MAX_EXTENDED))
    wire = shaken()
    feed(wire, message[:20_000])
    assert held(wire) <= 2 * 20_000
    assert feed(wire, message[20_000:]) == [Extended(1, b"x" * MAX_EXTENDED)]
    assert held(wire) < 100


@given(conversations, conversations, sizes)
def test_wires_that_receive_in_turn_into_one_landing_do_not_mix_what_they_receive(
    one: list[Message], other: list[Message], sizes: list[int]
) -> None:
    landing = new_landing()
    wires = [PeerWire(), PeerWire()]
    streams = [stream(one), stream(other)]
    received: list[list[Message]] = [[], []]
    for wire in wires:
        wire.land_in(landing)
    for size in [*sizes, len(streams[0]) + len(streams[1])]:
        for at, wire in enumerate(wires):
            part, streams[at] = streams[at][:size], streams[at][size:]
            received[at] += feed(wire, part)
    assert received == [one, other]


def test_data_of_a_block_is_a_view_of_the_buffer_until_the_next_one() -> None:
    data = encode(Block(0, 0, b"x" * 1000))
    wire = shaken()
    buffer = wire.buffer()
    buffer[: len(data)] = data
    (block,) = wire.received(len(data))
    assert isinstance(block, Block)
    assert isinstance(block.data, memoryview)
    assert block.data == b"x" * 1000
    buffer[:] = b"z" * len(buffer)
    assert block.data == b"z" * 1000


def test_more_than_there_was_room_for_cannot_have_been_received() -> None:
    wire = PeerWire()
    room = len(wire.buffer())
    for count in (-1, room + 1):
        with pytest.raises(LocalProtocolError):
            wire.received(count)
