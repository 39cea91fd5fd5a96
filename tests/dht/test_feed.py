from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite import bencoding
from magnetite.dht.feed import POLL_INTERVAL, decode_feed, encode_feed, poll_delay
from magnetite.dht.items import ImmutableItem, MutableItem
from magnetite.ids import InfoHash

ids = st.integers(0, (1 << 160) - 1).map(InfoHash)


def saying(value: bytes) -> MutableItem:
    return MutableItem(value, bytes(32), 1, bytes(64))


@given(ids)
def test_a_torrent_is_named_and_read_again(info_hash: InfoHash) -> None:
    assert encode_feed(info_hash) == b"d2:ih20:" + bytes(info_hash) + b"e"
    assert decode_feed(saying(encode_feed(info_hash))) == info_hash


@given(ids)
def test_what_else_an_item_says_is_left_to_others(info_hash: InfoHash) -> None:
    value = bencoding.encode({b"ih": bytes(info_hash), b"name": b"x", b"a": 1})
    assert decode_feed(saying(value)) == info_hash


@pytest.mark.parametrize(
    "value", [b"", b"i1e", b"le", b"de", b"d2:ihi1ee", b"d2:ih19:" + bytes(19) + b"e", b"d2:ihlee"]
)
def test_an_item_that_names_no_torrent_is_no_feed(value: bytes) -> None:
    assert decode_feed(saying(value)) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_not(value: bytes) -> None:
    decode_feed(saying(value))


def test_what_nobody_signed_is_no_feed() -> None:
    assert decode_feed(ImmutableItem(encode_feed(InfoHash(1)))) is None
    assert decode_feed(None) is None


def test_followers_do_not_look_all_at_once() -> None:
    delays = {poll_delay(Random(seed)) for seed in range(50)}
    assert len(delays) == 50
    assert all(0.8 * POLL_INTERVAL <= delay <= 1.2 * POLL_INTERVAL for delay in delays)
