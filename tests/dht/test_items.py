"""Values under their hash, and values under a key: the vectors of BEP 44 and 46, and what is no item."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht.items import (
    MAX_SALT,
    MAX_VALUE,
    ImmutableItem,
    MutableItem,
    is_bencoded,
    is_valid,
    mutable_target,
    sign,
)
from magnetite.errors import LocalProtocolError

# BEP 44, Test Vectors; their private key is given expanded, which only those can sign with who have no seed
VALUE = b"12:Hello World!"
KEY = bytes.fromhex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
MUTABLE = MutableItem(
    VALUE,
    KEY,
    1,
    bytes.fromhex(
        "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
        "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01"
    ),
)
SALTED = MutableItem(
    VALUE,
    KEY,
    1,
    bytes.fromhex(
        "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
        "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"
    ),
    b"foobar",
)
SEED = bytes(range(32))


@pytest.mark.parametrize(
    ("item", "target"),
    [
        (MUTABLE, "4a533d47ec9c7d95b1ad75f576cffc641853b750"),
        (SALTED, "411eba73b6f087ca51a3795d9c8c938d365e32c1"),
        (ImmutableItem(VALUE), "e5f96f6f38320f0f33959cb4d3d656452117aadb"),
    ],
)
def test_the_examples_of_bep_44_are_valid_and_lie_where_it_says(item: ImmutableItem | MutableItem, target: str) -> None:
    assert str(item.target) == target
    assert is_valid(item)


@pytest.mark.parametrize(
    ("salt", "target"),
    [(b"", "cc3f9d90b572172053626f9980ce261a850d050b"), (b"\x6e", "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f")],
)
def test_the_targets_of_bep_46_follow_from_key_and_salt(salt: bytes, target: str) -> None:
    key = bytes.fromhex("8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e")
    assert str(mutable_target(key, salt)) == target


@given(st.binary(max_size=100), st.integers(0, (1 << 63) - 1), st.binary(max_size=MAX_SALT))
def test_what_we_sign_is_valid(data: bytes, seq: int, salt: bytes) -> None:
    item = sign(SEED, b"%d:%b" % (len(data), data), seq, salt)
    assert is_valid(item)
    assert item.target == mutable_target(item.key, salt)


@pytest.mark.parametrize(
    "change",
    [
        {"value": b"12:Hello World?"},
        {"seq": 2},
        {"seq": -1},
        {"salt": b"x"},
        {"salt": bytes(MAX_SALT + 1)},
        {"key": bytes(32)},
        {"key": b"\xff" * 32},  # no point of the curve
        {"key": KEY[:31]},
        {"signature": bytes(64)},
        {"signature": b""},
    ],
)
def test_a_changed_item_is_not_valid(change: dict[str, bytes]) -> None:
    assert not is_valid(replace(MUTABLE, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [b"", b"x", b"i01e", b"d1:bi1e1:ai1ee", b"1:ax", b"l" * 20 + b"e" * 20])
def test_only_canonical_bencoding_is_a_value(value: bytes) -> None:
    assert not is_bencoded(value)
    assert not is_valid(ImmutableItem(value))
    with pytest.raises(LocalProtocolError):
        sign(SEED, value, 1)


def test_sizes_are_limited() -> None:
    largest = b"996:" + bytes(996)
    assert len(largest) == MAX_VALUE
    assert is_valid(ImmutableItem(largest))
    assert not is_valid(ImmutableItem(b"997:" + bytes(997)))
    for wrong in ((SEED, b"997:" + bytes(997), 1), (SEED, VALUE, -1), (SEED, VALUE, 1 << 63), (SEED[1:], VALUE, 1)):
        with pytest.raises(LocalProtocolError):
            sign(*wrong)
    with pytest.raises(LocalProtocolError):
        sign(SEED, VALUE, 1, bytes(MAX_SALT + 1))


def test_cryptography_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, magnetite; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
