import tracemalloc
from hashlib import sha1

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetite.bencoding import DATAGRAM, EXTENSION, METAINFO, Limits, decode, decode_dict, decode_prefix, encode
from magnetite.errors import BencodeError, LocalProtocolError
from magnetite.ids import InfoHash

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES = st.recursive(
    INT64 | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.binary(max_size=6), inner, max_size=5),
    max_leaves=25,
)
MIB = 1 << 20


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"4:spam", b"spam"),
        (b"0:", b""),
        (b"i3e", 3),
        (b"i-3e", -3),
        (b"i0e", 0),
        (b"l4:spam4:eggse", [b"spam", b"eggs"]),
        (b"d3:cow3:moo4:spam4:eggse", {b"cow": b"moo", b"spam": b"eggs"}),
        (b"d4:spaml1:a1:bee", {b"spam": [b"a", b"b"]}),
        (b"le", []),
        (b"de", {}),
        (b"i9223372036854775807e", (1 << 63) - 1),
        (b"i-9223372036854775808e", -(1 << 63)),
    ],
)
def test_the_examples_of_bep_3_decode_and_encode_back(data, value):
    assert decode(data) == value
    assert encode(value) == data


HOSTILE = {
    "negative key length that never returns": b"d3:abci10e-7:",
    "negative key length with an exponent": b"d1:ai1e-6:",
    "negative string length": b"-1:a",
    "integer with a plus": b"i+5e",
    "integer with a space": b"i 5e",
    "integer with a space behind": b"i5 e",
    "integer with an underscore": b"i1_0e",
    "string length with an underscore": b"1_0:0123456789",
    "string length with a plus": b"+1:a",
    "string length with a space": b" 1:a",
    "string length with a leading zero": b"01:a",
    "integer with a leading zero": b"i03e",
    "minus zero": b"i-0e",
    "minus with a leading zero": b"i-03e",
    "empty integer": b"ie",
    "only a minus": b"i-e",
    "unended integer": b"i12",
    "integer of 65 bits": b"i9223372036854775808e",
    "negative integer of 65 bits": b"i-9223372036854775809e",
    "integer of 4300 digits": b"i" + b"1" * 4300 + b"e",
    "integer of a million digits": b"i" + b"1" * MIB + b"e",
    "string length of 4300 digits": b"1" * 4300 + b":",
    "string longer than the data": b"5:abcd",
    "string of 10^18 bytes": b"999999999999999999:a",
    "duplicate keys": b"d1:ai1e1:ai2ee",
    "integer key": b"di1ei2ee",
    "list key": b"dlei2ee",
    "key without a value": b"d1:ae",
    "unended list": b"li1e",
    "unended dictionary": b"d1:ai1e",
    "superscript digit": "i²e".encode(),
    "arabic digit": "i٣e".encode(),
    "float": b"i1.5e",
    "exponent": b"i1e5e",
    "trailing bytes": b"i1ei2e",
    "nothing": b"",
    "unknown type": b"x",
    "lonely end": b"e",
    "lists without end": b"l" * MIB,
    "dictionaries without end": b"d1:a" * (MIB // 4),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_are_refused(data):
    with pytest.raises(BencodeError):
        decode(data)


@pytest.mark.parametrize("limits", [DATAGRAM, EXTENSION], ids=["datagram", "extension"])
def test_a_mebibyte_of_empty_lists_is_refused_before_it_costs_memory(limits):
    data = b"l" + b"le" * (MIB // 2) + b"e"
    tracemalloc.start()
    with pytest.raises(BencodeError, match="too many items"):
        decode(data, limits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 256 * 1024


def test_the_costliest_metainfo_takes_memory_in_proportion_to_its_size():
    data = b"l" + b"le" * 32_000 + b"e"
    tracemalloc.start()
    decode(data, METAINFO)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 48 * len(data)


def test_items_are_counted_over_the_whole_value():
    assert decode(b"l" + b"l1:ae" * 5 + b"e", Limits(items=10)) == [[b"a"]] * 5
    with pytest.raises(BencodeError, match="too many items"):
        decode(b"l" + b"l1:ae" * 5 + b"e", Limits(items=9))


@pytest.mark.parametrize(("opening", "closing"), [(b"l", b"e"), (b"d1:a", b"e")])
def test_depth_is_bounded_exactly(opening, closing):
    def nested(depth):
        return opening * depth + b"0:" + closing * depth if depth else b"0:"

    decode(nested(8), DATAGRAM)
    with pytest.raises(BencodeError, match="nested more than 8"):
        decode(nested(9), DATAGRAM)


def test_unsorted_keys_are_accepted_unless_the_order_matters():
    assert decode(b"d1:bi1e1:ai2ee") == {b"b": 1, b"a": 2}
    with pytest.raises(BencodeError, match="out of order"):
        decode(b"d1:bi1e1:ai2ee", sorted_keys=True)
    with pytest.raises(BencodeError, match="out of order"):
        decode(b"l" + b"d1:bi1e1:ai2ee" + b"e", sorted_keys=True)


@given(VALUES)
def test_decoding_reverses_encoding(value):
    assert decode(encode(value), sorted_keys=True) == value


@given(VALUES, st.binary(max_size=30))
def test_a_prefix_ends_where_its_value_ends(value, rest):
    data = encode(value)
    assert decode_prefix(b"??" + data + rest, start=2) == (value, 2 + len(data))


@given(st.binary(max_size=60) | st.text("idle-0123456789:a+_ ", max_size=60).map(str.encode))
def test_any_bytes_decode_to_what_encodes_to_them_or_are_refused(data):
    try:
        value = decode(data, sorted_keys=True)
    except BencodeError:
        return
    assert encode(value) == data  # strict: there is one encoding of a value


@settings(max_examples=50)
@given(st.lists(st.tuples(st.binary(max_size=6), VALUES), max_size=6, unique_by=lambda item: item[0]))
def test_spans_are_where_the_values_of_the_outermost_dictionary_lie(items):
    data, expected = b"d", {}
    for key, inner in items:
        data += encode(key)
        expected[key] = (len(data), len(data) + len(encode(inner)))
        data += encode(inner)
    assert decode_dict(data + b"e") == (dict(items), expected)


def test_a_span_gives_the_bytes_as_they_were_and_not_their_re_encoding():
    info = b"d4:name1:x6:lengthi1ee"  # unsorted
    data = b"d4:info" + info + b"e"
    _, spans = decode_dict(data)
    assert sha1(data[slice(*spans[b"info"])]).digest() == sha1(info).digest()


@pytest.mark.parametrize("data", [b"le", b"i1e", b"1:a", b"de1", b"dede", b""])
def test_what_is_no_dictionary_alone_is_refused_as_one(data):
    with pytest.raises(BencodeError):
        decode_dict(data)


@pytest.mark.parametrize(
    "value", [None, 1.5, bytearray(b"x"), {1: 2}, [None], {b"a": None}, {1, 2}, "\ud800", InfoHash(1)], ids=repr
)
def test_what_cannot_be_encoded_is_our_callers_mistake(value):
    with pytest.raises(LocalProtocolError):
        encode(value)


def test_keys_are_sorted_as_raw_bytes():
    assert encode({"b": 1, "Z": 2, "é": 3, "a": 4}) == b"d1:Zi2e1:ai4e1:bi1e2:\xc3\xa9i3ee"
