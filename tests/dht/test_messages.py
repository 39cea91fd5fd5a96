"""KRPC: the vectors of BEP 5, both ways of decoding, and whatever else arrives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite import bencoding
from magnetite.dht.bloom import FILTER_LENGTH, BloomFilter, Scrape
from magnetite.dht.contact import Contact, Family, decode_contacts
from magnetite.dht.decoding import decode, decode_any
from magnetite.dht.encoding import encode_error, encode_query, encode_response
from magnetite.dht.items import MAX_SALT, MAX_VALUE, ImmutableItem, Item, MutableItem
from magnetite.dht.messages import (
    CLIENT_VERSION,
    AnnouncePeer,
    ErrorCode,
    ErrorMessage,
    FindNode,
    GetItem,
    GetPeers,
    IncomingQuery,
    Message,
    Ping,
    PutItem,
    Query,
    RefusedQuery,
    Response,
    SampleInfohashes,
)
from magnetite.dht.samples import Samples
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
seqs = st.integers(0, (1 << 63) - 1)
values = st.recursive(
    st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=4), inner, max_size=4),
    max_leaves=8,
)
raw_values = values.map(bencoding.encode).filter(lambda value: len(value) <= MAX_VALUE and value.count(b"l") < 5)
immutable_items = st.builds(ImmutableItem, raw_values)
mutable_items = st.builds(
    MutableItem,
    raw_values,
    st.binary(min_size=32, max_size=32),
    seqs,
    st.binary(min_size=64, max_size=64),
    st.binary(max_size=MAX_SALT),
)
queries = st.one_of(
    st.just(Ping()),
    st.builds(FindNode, ids.map(NodeId), wants),
    st.builds(GetPeers, ids.map(InfoHash), wants, st.booleans(), st.booleans()),
    st.builds(
        AnnouncePeer, ids.map(InfoHash), st.integers(1, 65535), st.binary(max_size=20), st.booleans(), st.booleans()
    ),
    st.builds(GetItem, ids.map(NodeId), st.none() | seqs, wants),
    st.builds(PutItem, immutable_items | mutable_items, st.binary(max_size=20), st.none() | seqs),
    st.builds(SampleInfohashes, ids.map(NodeId), wants),
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


@given(
    st.builds(
        encode_response,
        st.binary(min_size=4, max_size=4),
        ids.map(NodeId),
        st.sampled_from([b"", b"abcdef", bytes(18)]),
        nodes=st.none() | st.sampled_from([0, 26, 182, 208, 234]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
        token=st.sampled_from([b"", b"abcd", b"abcdefgh", bytes(20), bytes(7)]),
        values=st.lists(st.binary(min_size=6, max_size=6), max_size=5),
    )
)
def test_both_ways_of_decoding_agree_on_responses(datagram: bytes) -> None:
    assert decode(datagram) == decode_any(datagram)


@given(st.data())
def test_both_ways_of_decoding_agree_on_damage(data: st.DataObject) -> None:
    whole = encode_response(b"aaaa", ASKER, b"abcdef", nodes=bytes(208), token=b"abcdefgh", values=[b"fedcba"] * 2)
    datagram = bytearray(data.draw(st.just(whole) | queries.map(lambda query: encode_query(b"aa", ASKER, query))))
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


lengths = st.sampled_from([20, 32, 64, 256]).map(bytes)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            b"t": st.just(b"aa") | values,
            b"y": st.sampled_from([b"q", b"r", b"e"]) | values,
            b"q": st.sampled_from([b"ping", b"find_node", b"get_peers", b"announce_peer", b"get", b"put"]) | values,
            b"a": st.fixed_dictionaries(
                {b"id": st.binary(min_size=20, max_size=20)},
                optional={
                    **dict.fromkeys((b"port", b"want", b"implied_port", b"v", b"seq", b"cas", b"noseed"), values),
                    **dict.fromkeys((b"target", b"info_hash", b"token", b"k", b"sig", b"salt"), values | lengths),
                },
            )
            | values,
            b"r": st.fixed_dictionaries(
                {b"id": st.binary(min_size=20, max_size=20)},
                optional={
                    **dict.fromkeys((b"nodes", b"nodes6", b"values", b"token", b"v", b"seq", b"num"), values),
                    **dict.fromkeys((b"k", b"sig", b"samples", b"interval", b"BFsd", b"BFpe"), values | lengths),
                },
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


# -- the extensions of BEP 33, 44 and 51 -------------------------------------------------------------------------------


def query(method: bytes, **arguments: object) -> bytes:
    """A query with exactly these arguments, and `id`."""
    with_id = {b"id": bytes(ASKER), **{key.encode(): value for key, value in arguments.items()}}
    return bencoding.encode({b"a": with_id, b"q": method, b"t": b"aa", b"y": b"q"})  # type: ignore[dict-item]


def response(**fields: object) -> Response:
    """A response with exactly these fields, and `id`, decoded."""
    with_id = {b"id": bytes(OTHER), **{key.encode(): value for key, value in fields.items()}}
    decoded = decode(bencoding.encode({b"r": with_id, b"t": b"aa", b"y": b"r"}))  # type: ignore[dict-item]
    assert isinstance(decoded, Response)
    return decoded


def refusal(datagram: bytes) -> ErrorCode:
    decoded = decode(datagram)
    assert isinstance(decoded, RefusedQuery)
    return decoded.code


SIGNED = {"k": bytes(32), "sig": bytes(64), "seq": 4, "token": b"token", "v": b"hello"}


@given(queries)
def test_a_query_knows_its_name_on_the_wire(query: Query) -> None:
    decoded = bencoding.decode(encode_query(b"aa", ASKER, query))
    assert isinstance(decoded, dict)
    assert decoded[b"q"] == query.method.encode()


def test_the_flags_of_bep_33_count_only_if_they_are_1() -> None:
    info_hash = bytes(OTHER)
    assert decode(query(b"get_peers", info_hash=info_hash, noseed=1, scrape=0)) == IncomingQuery(
        b"aa", ASKER, GetPeers(InfoHash(OTHER), no_seed=True)
    )
    assert decode(query(b"get_peers", info_hash=info_hash, noseed=2, scrape=b"1")) == IncomingQuery(
        b"aa", ASKER, GetPeers(InfoHash(OTHER))
    )
    assert decode(query(b"announce_peer", info_hash=info_hash, port=1, token=b"x", seed=1)) == IncomingQuery(
        b"aa", ASKER, AnnouncePeer(InfoHash(OTHER), 1, b"x", is_seed=True)
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": bytes(MAX_VALUE)}, 205),
        ({"salt": bytes(MAX_SALT + 1)}, 207),
        ({"k": bytes(31)}, 203),
        ({"k": 7}, 203),
        ({"sig": bytes(63)}, 203),
        ({"seq": -1}, 203),
        ({"seq": b"4"}, 203),
        ({"salt": 4}, 203),
        ({"cas": b"4"}, 203),
        ({"token": 4}, 203),
        ({"token": bytes(65)}, 203),
    ],
)
def test_a_put_with_a_wrong_argument_is_refused_with_its_code(change: dict[str, object], code: int) -> None:
    assert refusal(query(b"put", **{**SIGNED, **change})) == code


@pytest.mark.parametrize("missing", ["sig", "seq", "token", "v"])
def test_a_put_without_an_argument_is_refused(missing: str) -> None:
    assert refusal(query(b"put", **{key: value for key, value in SIGNED.items() if key != missing})) == 203


@pytest.mark.parametrize("value", [b"d1:bi1e1:ai1ee", b"l1:ad1:bi1e1:ai1eee"])
def test_a_value_with_unsorted_keys_is_refused_with_203(value: bytes) -> None:
    assert refusal(query(b"put", **SIGNED).replace(b"1:v5:hello", b"1:v" + value)) == 203


def test_a_value_is_taken_as_it_was_sent_however_the_message_is_ordered() -> None:
    value = b"d1:al1:vi1ee1:v1:ve"
    datagram = b"d1:y1:q1:v4:XX001:t2:aa1:q3:put1:ad1:v%b5:token1:x2:id20:%bee" % (value, bytes(ASKER))
    assert decode(datagram) == IncomingQuery(b"aa", ASKER, PutItem(ImmutableItem(value), b"x"))


def test_a_get_is_long_enough_for_the_largest_answer_at_eight_times_its_length() -> None:
    assert len(encode_query(b"abcd", ASKER, GetItem(OTHER))) * 8 >= 1_400


def test_unknown_methods_are_refused_even_with_a_target() -> None:
    assert refusal(query(b"vote", target=bytes(OTHER))) == 204
    assert refusal(query(b"vote", info_hash=bytes(OTHER))) == 204


filters = st.binary(min_size=FILTER_LENGTH, max_size=FILTER_LENGTH).map(BloomFilter)


@given(
    st.none() | st.builds(Scrape, filters, filters),
    st.none() | immutable_items | mutable_items,
    st.none() | seqs,
    st.none() | st.builds(Samples, st.lists(ids.map(InfoHash), max_size=5).map(tuple), st.integers(5, 99), seqs),
)
def test_the_extensions_of_a_response_survive_encoding(
    scrape: Scrape | None, item: Item | None, seq: int | None, samples: Samples | None
) -> None:
    if isinstance(item, MutableItem):
        item, seq = replace(item, salt=b""), item.seq  # answers do not tell the salt
    if samples is not None:
        samples = replace(samples, interval=samples.interval % 21_601)
    datagram = encode_response(
        b"aa", OTHER, b"", nodes=b"", token=b"x", scrape=scrape, item=item, seq=seq, samples=samples
    )
    assert bencoding.encode(bencoding.decode(datagram, sorted_keys=True)) == datagram
    assert decode(datagram) == Response(b"aa", OTHER, token=b"x", scrape=scrape, item=item, seq=seq, samples=samples)


@pytest.mark.parametrize(
    "fields",
    [
        {"BFsd": bytes(256)},
        {"BFsd": bytes(256), "BFpe": bytes(255)},
        {"BFsd": 1, "BFpe": []},
        {"samples": bytes(19)},
        {"samples": 4, "num": 4},
        {"seq": -1},
        {"seq": b"x"},
        {"v": b"x" * MAX_VALUE},
        {"v": b"x", "k": bytes(31), "sig": bytes(64), "seq": 1},
        {"v": b"x", "k": bytes(32), "sig": bytes(64)},
        {"v": b"x", "k": bytes(32), "seq": -1, "sig": bytes(64)},
        {"v": b"x", "k": 1, "sig": bytes(64), "seq": 1},
    ],
)
def test_a_wrong_field_of_an_extension_does_not_spoil_the_nodes(fields: dict[str, object]) -> None:
    contact = Contact(NodeId(1), Endpoint("1.2.3.4", 5))
    decoded = response(nodes=contact.compact(), **fields)
    assert decoded.nodes == (contact,)
    assert decoded.scrape is decoded.samples is decoded.item is None


def test_a_value_with_unsorted_keys_in_an_answer_is_none() -> None:
    datagram = b"d1:rd2:id20:%b1:vd1:bi1e1:ai1eee1:t2:aa1:y1:re" % bytes(OTHER)
    assert decode(datagram) == Response(b"aa", OTHER)


def test_numbers_beside_samples_are_put_right() -> None:
    hashes = bytes(ASKER) + bytes(OTHER)
    known = (InfoHash(ASKER), InfoHash(OTHER))
    assert response(samples=hashes, num=7, interval=60).samples == Samples(known, 7, 60)
    assert response(samples=hashes, num=-7, interval=1 << 40).samples == Samples(known, 2, 21_600)
    assert response(samples=b"").samples == Samples((), 0, 0)


def _decoded(way: object, datagram: bytes) -> Message | None:
    try:
        return way(datagram)  # type: ignore[operator, no-any-return]
    except KrpcError:
        return None
