from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite import bencoding
from magnetite.errors import RemoteProtocolError
from magnetite.wire.extensions import (
    METADATA_BLOCK,
    UT_METADATA,
    ExtensionHandshake,
    MetadataData,
    MetadataMessage,
    MetadataReject,
    MetadataRequest,
    decode_dont_have,
    decode_extension_handshake,
    decode_metadata,
    encode_dont_haves,
    encode_metadata,
)
from magnetite.wire.messages import Extended, encode

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
positive = st.integers(1, 2**63 - 1)
extension_handshakes = st.builds(
    ExtensionHandshake,
    m=st.dictionaries(names, st.integers(1, 255), max_size=8).map(
        lambda m: {name: number for number, name in {number: name for name, number in m.items()}.items()}
    ),
    v=st.none() | st.from_regex(r"[ -~]{0,100}", fullmatch=True),
    p=st.none() | st.integers(1, 65535),
    metadata_size=st.none() | positive,
    reqq=st.none() | positive,
    yourip=st.none() | st.ip_addresses().map(str),
    upload_only=st.none() | st.booleans(),
    e=st.none() | st.booleans(),
)
bencodable = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=4), inner, max_size=3),
    max_leaves=6,
)
numbers = st.integers(0, 2**63 - 1)
metadata_messages = st.one_of(
    st.builds(MetadataRequest, numbers),
    st.builds(MetadataReject, numbers),
    st.builds(MetadataData, numbers, numbers, st.binary(min_size=1, max_size=100)),
)


@given(extension_handshakes)
def test_decode_after_encode_is_the_identity(handshake: ExtensionHandshake) -> None:
    assert decode_extension_handshake(handshake.encode()) == handshake


def test_the_examples_of_bep_10_and_bep_9_decode() -> None:
    example = "d1:md11:LT_metadatai1e7:µT_PEXi2ee1:pi6881e1:v13:µTorrent 1.2e".encode()  # BEP 10 counts µ as one byte
    handshake = decode_extension_handshake(example)
    assert handshake == ExtensionHandshake({"LT_metadata": 1, "µT_PEX": 2}, v="µTorrent 1.2", p=6881)
    handshake = decode_extension_handshake(b"d1:md11:ut_metadatai3ee13:metadata_sizei31235ee")
    assert handshake.id_of(UT_METADATA) == 3
    assert handshake.metadata_size == 31235


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_raise_remote_protocol_error(payload: bytes) -> None:
    for decode in (decode_extension_handshake, decode_metadata, decode_dont_have):
        try:
            decode(payload)
        except RemoteProtocolError:
            continue


@given(
    st.dictionaries(
        st.sampled_from([b"m", b"v", b"p", b"metadata_size", b"reqq", b"yourip", b"upload_only", b"e", b"other"]),
        bencodable,
    )
)
def test_a_field_with_a_senseless_value_counts_as_absent(said: dict[bytes, bencoding.Encodable]) -> None:
    handshake = decode_extension_handshake(bencoding.encode(said))
    assert decode_extension_handshake(handshake.encode()) == handshake


@pytest.mark.parametrize(
    "field",
    [
        b"1:pi0e",
        b"1:pi65536e",
        b"1:p1:a",
        b"4:reqqi-1e",
        b"13:metadata_sizei0e",
        b"13:metadata_sizei-5e",
        b"6:yourip5:abcde",
        b"1:md1:ai256e1:bi-1e1:clee",
        b"1:vi5e",
    ],
)
def test_what_cannot_be_meant_is_not_believed(field: bytes) -> None:
    assert decode_extension_handshake(b"d" + field + b"e") == ExtensionHandshake()


def test_what_a_client_calls_itself_is_printable_and_short() -> None:
    shown = decode_extension_handshake(bencoding.encode({"v": b"evil\x1b[2J\n\xff" + b"x" * 1000})).v
    assert shown is not None
    assert shown.startswith("evil�[2J")
    assert shown.isprintable()
    assert len(shown) == 100


@pytest.mark.parametrize("payload", [b"", b"le", b"i1e", b"de ", b"d1:m", b"d1:m" + b"l" * 9 + b"e" * 10])
def test_what_is_no_dictionary_or_too_deep_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_extension_handshake(payload)


def test_a_later_handshake_adds_changes_and_switches_off() -> None:
    first = ExtensionHandshake({UT_METADATA: 1, "ut_pex": 2, "lt_donthave": 3}, v="A 1", reqq=250)
    updated = first.updated(ExtensionHandshake({"ut_pex": 0, "lt_donthave": 9, "upload_only": 4}, upload_only=True))
    assert updated == ExtensionHandshake(
        {UT_METADATA: 1, "lt_donthave": 9, "upload_only": 4}, v="A 1", reqq=250, upload_only=True
    )
    assert updated.id_of("ut_pex") is None


def test_zero_means_off_in_the_first_handshake_too() -> None:
    assert decode_extension_handshake(b"d1:md6:ut_pexi0eee").id_of("ut_pex") is None


def test_the_first_metadata_size_stands() -> None:
    first = ExtensionHandshake(metadata_size=1000)
    assert first.updated(ExtensionHandshake(metadata_size=9)).metadata_size == 1000
    assert ExtensionHandshake().updated(first).metadata_size == 1000


@given(st.lists(st.dictionaries(names, st.integers(0, 255), max_size=10), max_size=8))
def test_no_two_extensions_share_an_id_however_many_handshakes_come(handshakes: list[dict[str, int]]) -> None:
    known = ExtensionHandshake()
    for m in handshakes:
        known = known.updated(decode_extension_handshake(bencoding.encode({"m": m})))
        assert 0 not in known.m.values()
        assert len(set(known.m.values())) == len(known.m)


def test_long_names_are_not_kept() -> None:
    payload = bencoding.encode({"m": {"n" * 65: 1, "n" * 64: 2}})
    assert decode_extension_handshake(payload).m == {"n" * 64: 2}


# -- ut_metadata -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "payload"),
    [
        (MetadataRequest(0), b"d8:msg_typei0e5:piecei0ee"),
        (MetadataData(0, 3425, b"xxxxxxxx"), b"d8:msg_typei1e5:piecei0e10:total_sizei3425eexxxxxxxx"),
        (MetadataReject(0), b"d8:msg_typei2e5:piecei0ee"),  # BEP 9 misprints its type as 1
    ],
)
def test_the_examples_of_bep_9(message: MetadataMessage, payload: bytes) -> None:
    assert encode_metadata(message) == payload
    assert decode_metadata(payload) == message


@given(metadata_messages)
def test_metadata_messages_decode_to_what_was_encoded(message: MetadataMessage) -> None:
    assert decode_metadata(encode_metadata(message)) == message


def test_metadata_that_looks_like_bencoding_stays_apart_from_the_dictionary() -> None:
    message = MetadataData(3, 1 << 20, b"d6:lengthi1ee" * 100)
    assert decode_metadata(encode_metadata(message)) == message


@given(st.integers(3, 2**63 - 1))
def test_unknown_types_are_ignored(msg_type: int) -> None:
    assert decode_metadata(bencoding.encode({"msg_type": msg_type})) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"i0e",
        b"de",
        b"d8:msg_type1:0e",
        b"d8:msg_typei0ee",
        b"d8:msg_typei0e5:piecei-1ee",
        b"d8:msg_typei1e5:piecei0eex",
        b"d8:msg_typei1e5:piecei0e10:total_sizei9ee",
        b"d8:msg_typei1e5:piecei0e10:total_sizei99999ee" + b"x" * (METADATA_BLOCK + 1),
    ],
)
def test_a_metadata_message_that_lacks_something_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_metadata(payload)


def test_a_piece_that_is_had_no_more_is_four_bytes() -> None:
    assert decode_dont_have(b"\0\0\1\2") == 258


@given(st.integers(1, 255), st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_pieces_that_we_have_no_more_are_a_message_each(number: int, pieces: list[int]) -> None:
    messages = encode_dont_haves(number, pieces)
    frames = [messages[at : at + 10] for at in range(0, len(messages), 10)]
    assert frames == [encode(Extended(number, piece.to_bytes(4, "big"))) for piece in pieces]
