"""What is told from a few bytes must be told right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite import bencoding
from magnetite.dht.decoding import decode
from magnetite.dht.messages import ErrorMessage, IncomingQuery, RefusedQuery, Response
from magnetite.dht.triage import MAX_DATAGRAM, is_junk, is_query, transaction_of
from magnetite.errors import KrpcError

ID = b"abcdefghij0123456789"
PING = b"d1:ad2:id20:" + ID + b"e1:q4:ping1:t2:aa1:y1:qe"

strings = st.binary(max_size=8) | st.sampled_from([b"y", b"q", b"1:y1:q", b"1:y1:re", b"x1:y1:r"])
values = st.recursive(strings | st.integers(-9, 9), lambda inner: st.lists(inner, max_size=3), max_leaves=5)
messages = st.fixed_dictionaries(
    {
        b"t": st.binary(max_size=4),
        b"y": st.sampled_from([b"q", b"r", b"e"]),
        b"q": st.sampled_from([b"ping", b"find_node"]),
        b"a": st.just({b"id": ID}) | st.dictionaries(strings, values, max_size=2),
        b"r": st.just({b"id": ID}),
        b"e": st.just([201, b"no"]),
    },
    optional={b"z": values, b"A": values},
)


@given(messages, st.permutations([b"t", b"y", b"q", b"a", b"r", b"e", b"z", b"A"]))
def test_no_query_escapes_whatever_the_order_of_its_keys(
    message: dict[bytes, bencoding.Value], order: list[bytes]
) -> None:
    items = [(key, message[key]) for key in order if key in message]
    data = b"d" + b"".join(bencoding.encode(key) + bencoding.encode(value) for key, value in items) + b"e"
    assert not is_junk(data)
    try:
        read = decode(data)
    except KrpcError:
        return
    assert is_query(data) or isinstance(read, Response | ErrorMessage)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda inner: b"d" + inner + b"e"))
def test_junk_is_never_a_message(data: bytes) -> None:
    if is_junk(data):
        with pytest.raises(KrpcError):
            decode(data)


@pytest.mark.parametrize("data", [b"", b"d", b"e", b"le", b"d\x00", b"d" + bytes(MAX_DATAGRAM) + b"e"])
def test_what_is_no_dictionary_of_a_datagrams_size_is_junk(data: bytes) -> None:
    assert is_junk(data)


def test_answers_are_not_taken_for_queries() -> None:
    answer = b"d1:rd2:id20:" + ID + b"e1:t2:aa1:y1:re"
    assert not is_query(answer)
    assert not is_query(b"d1:eli201e2:noe1:t2:aa1:y1:ee")
    assert is_query(PING)
    assert isinstance(decode(PING), IncomingQuery | RefusedQuery)


@given(st.binary(max_size=30), st.binary(min_size=4, max_size=4), st.permutations(range(3)))
def test_the_transaction_of_an_answer_is_found(noise: bytes, transaction: bytes, order: list[int]) -> None:
    pairs = [b"1:rd2:id20:" + ID + b"1:x" + bencoding.encode(noise) + b"e", b"1:t4:" + transaction, b"1:y1:r"]
    answer = b"d" + b"".join(pairs[index] for index in order) + b"e"
    assert b"1:t4:" in noise or transaction_of(answer) == transaction
    assert isinstance(decode(answer), Response)


@given(st.binary(max_size=30))
def test_an_answer_without_transaction_is_read_without_error(data: bytes) -> None:
    assert len(transaction_of(data)) <= 4
