"""KRPC: the vectors of BEP 5, both ways of decoding, and whatever else arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite import bencoding
from magnetite.dht.contact import Contact, Family, decode_contacts
from magnetite.dht.decoding import decode, decode_any
from magnetite.dht.encoding import encode_error, encode_query, encode_response
from magnetite.dht.messages import (
    CLIENT_VERSION,
    AnnouncePeer,
    ErrorCode,
    ErrorMessage,
    FindNode,
    GetPeers,
    IncomingQuery,
    Message,
    Ping,
    Query,
    RefusedQuery,
    Response,
)
from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.errors import KrpcError, RemoteProtocolError
from magnetite.ids import InfoHash, NodeId

ASKER = NodeId.decode(b"abcdefghij0123456789")
OTHER = NodeId.decode(b"mnopqrstuvwxyz123456")

# BEP 5, DHT Queries; the answers to find_node there have a placeholder for nodes, and are no vectors
VECTORS: list[tuple[bytes, Message]] = [
    (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", IncomingQuery(b"aa", ASKER, Ping())),
    (b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", Response(b"aa", OTHER)),
    (
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
        IncomingQuery(b"aa", ASKER, FindNode(OTHER)),
    ),
    (
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
        IncomingQuery(b"aa", ASKER, GetPeers(InfoHash(OTHER))),
    ),
    (
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
        Response(b"aa", ASKER, values=(decode_endpoint(b"axje.u"), decode_endpoint(b"idhtnm")), token=b"aoeusnth"),
    ),
    (
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:"
        b"aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        IncomingQuery(b"aa", ASKER, AnnouncePeer(InfoHash(OTHER), 6881, b"aoeusnth", implied_port=True)),
    ),
    (
        b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
        ErrorMessage(b"aa", 201, "A Generic Error Ocurred"),
    ),
]

ids = st.integers(0, (1 << 160) - 1)
wants = st.frozensets(st.sampled_from(Family))
queries = st.one_of(
    st.just(Ping()),
    st.builds(FindNode, ids.map(NodeId), wants),
    st.builds(GetPeers, ids.map(InfoHash), wants),
    st.builds(AnnouncePeer, ids.map(InfoHash), st.integers(1, 65535), st.binary(max_size=20), st.booleans()),
)
ipv4 = st.binary(min_size=6, max_size=6).map(decode_endpoint)
ipv6 = st.binary(min_size=18, max_size=18).map(decode_endpoint)


@pytest.mark.parametrize(("datagram", "message"), VECTORS, ids=lambda value: type(value).__name__)
def test_the_examples_of_bep_5_are_understood(datagram: bytes, message: Message) -> None:
    assert decode(datagram) == message
    assert decode_any(datagram) == message


@given(st.binary(min_size=1, max_size=20), ids.map(NodeId), queries, st.booleans())
def test_a_query_survives_encoding_and_both_ways_of_decoding_agree(
    transaction: bytes, sender: NodeId, query: Query, read_only: bool
) -> None:
    datagram = encode_query(transaction, sender, query, read_only)
    assert bencoding.encode(bencoding.decode(datagram, sorted_keys=True)) == datagram
    assert decode(datagram) == decode_any(datagram) == IncomingQuery(transaction, sender, query, read_only)


@given(st.data())
def test_both_ways_of_decoding_agree_on_damaged_queries(data: st.DataObject) -> None:
    datagram = bytearray(encode_query(b"aa", ASKER, data.draw(queries)))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(datagram) - 1))
        match data.draw(st.sampled_from(["change", "delete", "insert"])):
            case "change":
                datagram[at] = data.draw(st.sampled_from(b"0123456789:deilqry\x00\xff"))
            case "delete":
                del datagram[at]
            case "insert":
                datagram.insert(at, data.draw(st.sampled_from(b"0129:deil")))
    assert _decoded(decode, bytes(datagram)) == _decoded(decode_any, bytes(datagram))


@given(
    st.binary(max_size=20),
    ids.map(NodeId),
    st.none() | st.lists(st.builds(Contact, ids.map(NodeId), ipv4), max_size=8),
    st.none() | st.lists(st.builds(Contact, ids.map(NodeId), ipv6), max_size=8),
    st.lists(ipv4 | ipv6, max_size=20),
    st.binary(max_size=20),
    ipv4 | ipv6,
)
def test_a_response_survives_encoding(
    transaction: bytes,
    sender: NodeId,
    nodes: list[Contact] | None,
    nodes6: list[Contact] | None,
    values: list[Endpoint],
    token: bytes,
    asker: Endpoint,
) -> None:
    datagram = encode_response(
        transaction,
        sender,
        asker.compact(),
        nodes=None if nodes is None else b"".join(contact.compact() for contact in nodes),
        nodes6=None if nodes6 is None else b"".join(contact.compact() for contact in nodes6),
        token=token,
        values=[value.compact() for value in values],
    )
    assert bencoding.encode(bencoding.decode(datagram, sorted_keys=True)) == datagram
    assert decode(datagram) == Response(
        transaction, sender, tuple(nodes or ()), tuple(nodes6 or ()), tuple(values), token, asker
    )


def test_an_error_survives_encoding() -> None:
    datagram = encode_error(b"aa", 203, "Bad token", Endpoint("1.2.3.4", 5).compact())
    assert decode(datagram) == ErrorMessage(b"aa", 203, "Bad token")


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"d" + data + b"e"))
def test_any_bytes_are_a_message_or_raise_krpc_error(datagram: bytes) -> None:
    _decoded(decode, datagram)


values = st.recursive(
    st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            b"t": st.just(b"aa") | values,
            b"y": st.sampled_from([b"q", b"r", b"e"]) | values,
            b"q": st.sampled_from([b"ping", b"find_node", b"get_peers", b"announce_peer"]) | values,
            b"a": st.fixed_dictionaries(
                {b"id": st.binary(min_size=20, max_size=20)},
                optional=dict.fromkeys((b"target", b"info_hash", b"port", b"token", b"want", b"implied_port"), values),
            )
            | values,
            b"r": st.fixed_dictionaries(
                {b"id": st.binary(min_size=20, max_size=20)},
                optional=dict.fromkeys((b"nodes", b"nodes6", b"values", b"token"), values),
            )
            | values,
            b"e": values,
            b"ip": values,
            b"ro": values,
        },
    )
)
def test_any_dictionary_is_a_message_or_raises_krpc_error(dictionary: dict[bytes, object]) -> None:
    _decoded(decode, bencoding.encode(dictionary))  # type: ignore[arg-type]


def test_unsorted_keys_and_unknown_fields_are_passed_over() -> None:
    datagram = b"d1:y1:q1:v4:XX001:t2:aa1:q4:ping1:xi7e1:ad5:extra1:x2:id20:abcdefghij0123456789ee"
    assert decode(datagram) == IncomingQuery(b"aa", ASKER, Ping())


def test_unknown_wants_are_ignored() -> None:
    datagram = bencoding.encode(
        {
            b"a": {b"id": bytes(ASKER), b"target": bytes(OTHER), b"want": [b"n6", b"n9"]},
            b"q": b"find_node",
            b"t": b"aa",
            b"y": b"q",
        }
    )
    assert decode(datagram) == IncomingQuery(b"aa", ASKER, FindNode(OTHER, frozenset({Family.IPV6})))


def test_an_unknown_method_is_refused_with_204_and_a_wrong_argument_with_203() -> None:
    unknown = bencoding.encode({b"a": {b"id": bytes(ASKER)}, b"q": b"vote", b"t": b"aa", b"y": b"q"})
    wrong = bencoding.encode(
        {b"a": {b"id": bytes(ASKER), b"target": b"x"}, b"q": b"find_node", b"t": b"aa", b"y": b"q"}
    )
    no_port = encode_query(b"aa", ASKER, AnnouncePeer(InfoHash(1), 0, b"token"))
    assert decode(unknown) == RefusedQuery(b"aa", ErrorCode.UNKNOWN_METHOD, "Method Unknown")
    assert isinstance(refused := decode(wrong), RefusedQuery)
    assert refused.code == ErrorCode.PROTOCOL
    assert isinstance(refused := decode(no_port), RefusedQuery)
    assert refused.code == ErrorCode.PROTOCOL


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"de",
        b"le",
        b"d3:abci10e-7:",
        b"d1:q4:ping1:t2:aa1:y1:qe",  # without arguments
        b"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t99:%b1:y1:qe" % (b"a" * 99),
        b"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes3:abce1:t2:aa1:y1:re",
        b"d1:rd2:id20:mnopqrstuvwxyz1234566:valuesl3:abcee1:t2:aa1:y1:re",
        b"d" + b"l" * 1000 + b"e" * 1001,
        b"d1:t2:aa1:y1:ze",
    ],
)
def test_what_is_no_message_raises_krpc_error(datagram: bytes) -> None:
    with pytest.raises(KrpcError):
        decode(datagram)


def test_messages_name_their_client() -> None:
    assert b"1:v4:" + CLIENT_VERSION in encode_query(b"aa", ASKER, Ping())
    assert b"1:v4:" + CLIENT_VERSION in encode_response(b"aa", ASKER, b"")


@given(st.lists(st.builds(Contact, ids.map(NodeId), ipv4), max_size=5))
def test_compact_node_info_is_26_bytes_a_contact(contacts: list[Contact]) -> None:
    data = b"".join(contact.compact() for contact in contacts)
    assert len(data) == 26 * len(contacts)
    assert decode_contacts(data, Family.IPV4) == tuple(contacts)
    with pytest.raises(RemoteProtocolError):
        decode_contacts(data + b"x", Family.IPV4)


def _decoded(way: object, datagram: bytes) -> Message | None:
    try:
        return way(datagram)  # type: ignore[operator, no-any-return]
    except KrpcError:
        return None
