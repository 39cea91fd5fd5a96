from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite import bencoding
from magnetite.cli.item_text import describe_value, encode_value, fields, parse_item_name, readable
from magnetite.dht.items import ImmutableItem, mutable_target, sign
from magnetite.errors import LocalProtocolError

KEY = "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e"
VALUES = st.recursive(
    st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "target", "salt"),
    [
        ("e5f96f6f38320f0f33959cb4d3d656452117aadb", "e5f96f6f38320f0f33959cb4d3d656452117aadb", b""),
        (KEY, "cc3f9d90b572172053626f9980ce261a850d050b", b""),
        (KEY.upper() + ":n", "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f", b"n"),
        (f"magnet:?xs=urn:btpk:{KEY}&s=6e", "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f", b"n"),
        (KEY + ":a:b\n", str(mutable_target(bytes.fromhex(KEY), b"a:b\n")), b"a:b\n"),
    ],
)
def test_an_item_is_named_by_its_target_or_its_key(text: str, target: str, salt: bytes) -> None:
    name = parse_item_name(text)
    assert (str(name.target), name.salt) == (target, salt)


@pytest.mark.parametrize("text", ["", "e5f9", KEY + "00", "x" * 40, KEY + ":" + "s" * 65])
def test_what_names_no_item_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        parse_item_name(text)


@given(VALUES)
def test_every_value_can_be_shown(value: bencoding.Value) -> None:
    item = ImmutableItem(bencoding.encode(value))
    json.dumps(fields(item))
    text = describe_value(item)
    assert all(character.isprintable() or character in "\n\t" for character in text)


def test_text_keeps_its_lines_and_loses_what_steers_a_terminal() -> None:
    assert describe_value(ImmutableItem(bencoding.encode(b"a\n\tb\x1b[31m"))) == "a\n\tb\N{REPLACEMENT CHARACTER}[31m"
    assert readable(b"\xff") == "0xff"


def test_a_value_is_stored_as_a_string_or_as_it_is() -> None:
    assert encode_value(b"i1e", is_encoded=False) == b"3:i1e"
    assert encode_value(b"i1e", is_encoded=True) == b"i1e"
    assert len(encode_value(bytes(996), is_encoded=False)) == 1_000
    for data in (bytes(997), b"x" * 2_000):
        with pytest.raises(LocalProtocolError):
            encode_value(data, is_encoded=False)
    for data in (b"", b"i1e\n", b"d1:b0:1:a0:e", b"i01e"):
        with pytest.raises(LocalProtocolError):
            encode_value(data, is_encoded=True)


def test_scripts_are_told_everything_of_a_mutable_item() -> None:
    item = sign(bytes(32), b"1:a", 7, b"\xff")
    assert fields(item) == {
        "target": str(item.target),
        "value": "a",
        "bencoded": b"1:a".hex(),
        "key": item.key.hex(),
        "salt": "ff",
        "seq": 7,
        "signature": item.signature.hex(),
    }
