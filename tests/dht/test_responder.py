"""What we answer, to whom, and how much."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from magnetite import bencoding
from magnetite.dht.contact import Contact, Family, K, family_of
from magnetite.dht.decoding import decode
from magnetite.dht.encoding import encode_query
from magnetite.dht.item_store import ItemStore
from magnetite.dht.items import ImmutableItem, Item, MutableItem, sign
from magnetite.dht.messages import (
    ANY,
    AnnouncePeer,
    ErrorCode,
    ErrorMessage,
    FindNode,
    GetItem,
    GetPeers,
    IncomingQuery,
    Ping,
    PutItem,
    Query,
    RefusedQuery,
    Response,
    SampleInfohashes,
)
from magnetite.dht.peer_list import MAX_PEERS
from magnetite.dht.peer_store import MAX_SAMPLES, PeerStore
from magnetite.dht.responder import MAX_AMPLIFICATION, MAX_ANSWER, Responder
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import Endpoint, Scope
from magnetite.events import Event, ItemStored, PeerStored
from magnetite.ids import InfoHash, NodeId

OWN, ASKER, HASH = NodeId(1), NodeId(2), InfoHash(1 << 150)
SOURCE, SOURCE6 = Endpoint("8.8.8.8", 1234), Endpoint("2001:4860:4860::8888", 1234)


SEED = bytes(32)
SMALL, LARGE = sign(SEED, b"5:hello", 3, b"small"), sign(SEED, b"996:" + bytes(996), 4, b"large")
ITEMS: list[Item] = [SMALL, LARGE, ImmutableItem(b"5:hello"), ImmutableItem(b"996:" + bytes(996))]


class World:
    """A responder with all it stands on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.tables = {family: RoutingTable(OWN, Scope.GLOBAL, self.events.append) for family in Family}
        self.store = PeerStore(Random(1), now=0)
        self.items = ItemStore()
        tokens = Tokens(Random(1), now=0)
        self.responder = Responder(self.tables, self.store, self.items, tokens, self.events.append)
        for number in range(20):
            self._know(Family.IPV4, number, f"1.2.{number}.3")
            self._know(Family.IPV6, number, f"2001:4860:{number + 1:x}::1")
        self.events.clear()

    def _know(self, family: Family, number: int, ip: str) -> None:
        self.tables[family].on_response(Contact(NodeId(1 << 159 | number), Endpoint(ip, 6881)), 0.1, now=0)

    def ask(self, query: Query, source: Endpoint = SOURCE, *, read_only: bool = False) -> Response | ErrorMessage:
        datagram = encode_query(b"aa", ASKER, query, read_only)
        message = decode(datagram)
        assert isinstance(message, IncomingQuery)
        decoded = decode(self.responder.answer(message, source, len(datagram), now=0))
        assert isinstance(decoded, Response | ErrorMessage)
        return decoded

    def answer(self, query: Query, source: Endpoint = SOURCE) -> Response:
        response = self.ask(query, source)
        assert isinstance(response, Response)
        return response

    def fill(self) -> None:
        """Peers, info-hashes and items up to the limits."""
        for number in range(MAX_PEERS):
            self.store.add(HASH, Endpoint(f"1.2.{number >> 8}.{number & 255}", 1), now=0, is_seed=number % 2 == 0)
            self.store.add(HASH, Endpoint(f"2001:4860::{number:x}", 1), now=0, is_seed=number % 2 == 0)
        for number in range(2_000):
            self.store.add(InfoHash(number), SOURCE, now=0)
        for item in ITEMS:
            assert self.items.put(item, None, "a", OWN, now=0) is None


@pytest.fixture
def world() -> World:
    return World()


def test_a_ping_is_answered_with_our_id_and_the_askers_endpoint(world: World) -> None:
    assert world.ask(Ping()) == Response(b"aa", OWN, our_endpoint=SOURCE)


def test_find_node_is_answered_with_the_k_closest_of_the_askers_family(world: World) -> None:
    target = NodeId(1 << 159 | 5)
    assert world.answer(FindNode(target)).nodes == tuple(world.tables[Family.IPV4].closest(target, 0))
    assert world.answer(FindNode(target), SOURCE6).nodes6 == tuple(world.tables[Family.IPV6].closest(target, 0))


def test_want_decides_which_families_are_named(world: World) -> None:
    both = world.answer(FindNode(NodeId(0), frozenset(Family)))
    six = world.answer(FindNode(NodeId(0), frozenset({Family.IPV6})))
    assert (len(both.nodes), len(both.nodes6)) == (K, K)
    assert (len(six.nodes), len(six.nodes6)) == (0, K)


def test_who_announced_with_our_token_is_given_to_the_next_who_asks(world: World) -> None:
    token = world.answer(GetPeers(HASH)).token
    assert world.ask(AnnouncePeer(HASH, 7000, token)) == Response(b"aa", OWN, our_endpoint=SOURCE)
    assert world.answer(GetPeers(HASH)).values == (Endpoint(SOURCE.ip, 7000),)
    assert world.events == [PeerStored(0, HASH, Endpoint(SOURCE.ip, 7000))]


def test_an_implied_port_is_the_one_the_datagram_came_from(world: World) -> None:
    token = world.answer(GetPeers(HASH)).token
    world.ask(AnnouncePeer(HASH, 7000, token, implied_port=True))
    assert world.answer(GetPeers(HASH)).values == (SOURCE,)


def test_a_token_of_another_address_is_refused(world: World) -> None:
    token = world.answer(GetPeers(HASH), Endpoint("9.9.9.9", 1234)).token
    refused = world.ask(AnnouncePeer(HASH, 7000, token))
    assert isinstance(refused, ErrorMessage)
    assert refused.code == ErrorCode.PROTOCOL
    assert world.store.peers == 0


@pytest.mark.parametrize("source", [SOURCE, SOURCE6], ids=["ipv4", "ipv6"])
def test_an_answer_with_many_peers_keeps_to_its_size_and_to_the_askers_family(world: World, source: Endpoint) -> None:
    for number in range(300):
        world.store.add(HASH, Endpoint(f"1.2.{number // 256}.{number % 256}", 1), now=0)
        world.store.add(HASH, Endpoint(f"2001:4860::{number:x}", 1), now=0)
    values = world.answer(GetPeers(HASH, frozenset(Family)), source).values
    assert values
    assert {value.is_ipv6 for value in values} == {source.is_ipv6}


def test_a_full_store_gives_no_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magnetite.dht.peer_store.MAX_INFO_HASHES", 0)
    assert world.answer(GetPeers(HASH)).token == b""


def test_who_asks_is_noted_but_not_handed_on_and_who_is_read_only_is_not_even_noted(world: World) -> None:
    world.ask(Ping(), read_only=True)
    assert not any(entry.contact.node_id == ASKER for entry in world.tables[Family.IPV4])
    world.ask(Ping())
    assert any(entry.contact.node_id == ASKER for entry in world.tables[Family.IPV4])
    assert all(contact.node_id != ASKER for contact in world.answer(FindNode(ASKER)).nodes)


def test_a_refusal_says_why(world: World) -> None:
    refusal = world.responder.refuse(RefusedQuery(b"aa", ErrorCode.UNKNOWN_METHOD, "Method Unknown"), SOURCE)
    assert decode(refusal) == ErrorMessage(b"aa", 204, "Method Unknown")


# -- counting (BEP 33) -------------------------------------------------------------------------------------------------


def test_a_scrape_is_answered_with_filters_of_all_and_with_peers(world: World) -> None:
    world.fill()
    response = world.answer(GetPeers(HASH, scrape=True))
    assert response.scrape == world.store.scrape(HASH, Family.IPV4, now=0)
    assert len(response.nodes) == K
    assert response.values
    assert world.answer(GetPeers(HASH)).scrape is None


def test_a_scrape_of_an_unknown_torrent_has_no_filters(world: World) -> None:
    assert world.answer(GetPeers(HASH, scrape=True)).scrape is None


def test_filters_come_before_the_contacts_of_the_other_family(world: World) -> None:
    world.fill()
    response = world.answer(GetPeers(HASH, frozenset(Family), scrape=True), SOURCE6)
    assert response.scrape == world.store.scrape(HASH, Family.IPV6, now=0)
    assert len(response.nodes6) > 0
    assert len(response.nodes) < K
    assert not response.values


def test_who_announces_as_a_seed_is_one(world: World) -> None:
    world.ask(AnnouncePeer(HASH, 7000, world.answer(GetPeers(HASH)).token, is_seed=True))
    scrape = world.answer(GetPeers(HASH, scrape=True)).scrape
    assert scrape is not None
    assert SOURCE.ip in scrape.seeds
    assert SOURCE.ip not in scrape.peers
    assert world.answer(GetPeers(HASH, no_seed=True)).values == ()


def test_an_announce_that_finds_no_room_is_refused_with_202(world: World) -> None:
    token = world.answer(GetPeers(HASH)).token
    world.fill()
    refused = world.ask(AnnouncePeer(HASH, 7000, token))
    assert isinstance(refused, ErrorMessage)
    assert refused.code == ErrorCode.SERVER


# -- items (BEP 44) ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", ITEMS, ids=["small", "large", "small immutable", "large immutable"])
def test_what_was_put_with_our_token_is_given_to_the_next_who_asks(world: World, item: Item) -> None:
    token = world.answer(GetItem(item.target)).token
    assert world.ask(PutItem(item, token)) == Response(b"aa", OWN, our_endpoint=SOURCE)
    assert world.events == [ItemStored(0, item.target, SOURCE)]
    response = world.answer(GetItem(item.target))
    if isinstance(item, MutableItem):
        assert response.item == MutableItem(item.value, item.key, item.seq, item.signature)
        assert response.seq == item.seq
    else:
        assert response.item == item
    assert response.nodes
    assert response.token


def test_an_item_that_is_known_already_is_not_sent_again(world: World) -> None:
    world.fill()
    assert world.answer(GetItem(SMALL.target, seq=2)).item is not None
    response = world.answer(GetItem(SMALL.target, seq=3))
    assert response.item is None
    assert response.seq == 3
    assert len(response.nodes) == K


def test_of_an_item_too_large_for_the_query_only_the_seq_is_told(world: World) -> None:
    world.fill()
    response = decode(world.responder.answer(IncomingQuery(b"aa", ASKER, GetItem(LARGE.target)), SOURCE, 90, now=0))
    assert isinstance(response, Response)
    assert response.item is None
    assert response.seq == LARGE.seq
    assert len(response.nodes) == K


def test_an_item_is_stored_only_with_a_token_of_its_target_and_address(world: World) -> None:
    other_target = world.answer(GetItem(LARGE.target)).token
    other_address = world.answer(GetItem(SMALL.target), Endpoint("9.9.9.9", 1)).token
    for token in (other_target, other_address, b""):
        refused = world.ask(PutItem(SMALL, token))
        assert isinstance(refused, ErrorMessage)
        assert refused.code == ErrorCode.PROTOCOL
    assert len(world.items) == 0


@pytest.mark.parametrize(
    ("item", "cas", "code"),
    [
        (sign(SEED, b"5:hello", 2, b"small"), None, 302),
        (sign(SEED, b"5:hullo", 3, b"small"), None, 302),
        (sign(SEED, b"5:hello", 4, b"small"), 2, 301),
        (MutableItem(b"5:hello", SMALL.key, 9, bytes(64), b"small"), None, 206),
    ],
)
def test_a_put_against_the_rules_is_refused_with_its_code(
    world: World, item: MutableItem, cas: int | None, code: int
) -> None:
    world.fill()
    refused = world.ask(PutItem(item, world.answer(GetItem(item.target)).token, cas))
    assert isinstance(refused, ErrorMessage)
    assert refused.code == code
    assert world.answer(GetItem(SMALL.target)).seq == 3


# -- samples (BEP 51) --------------------------------------------------------------------------------------------------


def test_samples_are_as_many_as_fit_and_are_there_even_if_there_are_none(world: World) -> None:
    target = NodeId(0)
    empty = world.answer(SampleInfohashes(target)).samples
    assert empty is not None
    assert (empty.info_hashes, empty.num) == ((), 0)
    world.fill()
    response = world.answer(SampleInfohashes(target))
    assert response.samples is not None
    assert 10 < len(response.samples.info_hashes) < MAX_SAMPLES
    assert response.samples.num == 2_000
    assert len(response.nodes) == K
    assert response.samples == world.answer(SampleInfohashes(target)).samples


# -- sizes -------------------------------------------------------------------------------------------------------------


@lru_cache
def full_world() -> World:
    world = World()
    world.fill()
    return world


targets = st.sampled_from([int(HASH), 1 << 159 | 5, 0, *(int(item.target) for item in ITEMS)])
wants = st.sampled_from([ANY, frozenset({Family.IPV4}), frozenset({Family.IPV6}), frozenset(Family)])
queries = st.one_of(
    st.just(Ping()),
    st.builds(FindNode, targets.map(NodeId), wants),
    st.builds(GetPeers, targets.map(InfoHash), wants, st.booleans(), st.booleans()),
    st.builds(AnnouncePeer, targets.map(InfoHash), st.just(1), st.binary(max_size=8), st.booleans(), st.booleans()),
    st.builds(GetItem, targets.map(NodeId), st.none() | st.integers(0, 9), wants),
    st.builds(PutItem, st.sampled_from(ITEMS), st.binary(max_size=8), st.none() | st.integers(0, 9)),
    st.builds(SampleInfohashes, targets.map(NodeId), wants),
)


@given(queries, st.binary(max_size=32), st.sampled_from([SOURCE, SOURCE6]), st.booleans())
def test_no_answer_is_larger_than_its_limits(query: Query, transaction: bytes, source: Endpoint, valid: bool) -> None:
    world = full_world()
    if valid and isinstance(query, PutItem):
        token = world.answer(GetItem(query.item.target), source).token
        query = replace(query, token=token)
    whole = bencoding.decode(encode_query(transaction, ASKER, query))
    assert isinstance(whole, dict)
    arguments = whole[b"a"]
    assert isinstance(arguments, dict)
    arguments.pop(b"padding", None)  # the shortest query that says the same
    whole.pop(b"v")
    datagram = bencoding.encode(whole)
    message = decode(datagram)
    assert message == IncomingQuery(transaction, ASKER, query)
    answer = world.responder.answer(message, source, len(datagram), now=0)
    assert len(answer) <= MAX_ANSWER[family_of(source)]
    assert len(answer) <= MAX_AMPLIFICATION * len(datagram)
    assert isinstance(decode(answer), Response | ErrorMessage)


@pytest.mark.parametrize("source", [SOURCE, SOURCE6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("arguments", [{}, {b"v": b"x"}, {b"v": bytes(1000)}, {b"target": b""}])
@pytest.mark.parametrize("method", [b"", b"vote", b"put", b"get", b"find_node", b"get_peers", b"announce_peer"])
def test_no_refusal_is_larger_than_its_limits(method: bytes, arguments: dict[bytes, bytes], source: Endpoint) -> None:
    datagram = bencoding.encode({b"a": {b"id": bytes(ASKER), **arguments}, b"q": method, b"t": b"", b"y": b"q"})
    message = decode(datagram)
    assert isinstance(message, RefusedQuery)
    answer = full_world().responder.refuse(message, source)
    assert len(answer) <= min(MAX_ANSWER[family_of(source)], MAX_AMPLIFICATION * len(datagram))


def test_a_new_id_is_used_from_the_next_answer_on(world: World) -> None:
    world.tables[Family.IPV4].rehome(NodeId(77), now=1)
    assert world.answer(Ping()).sender == 77
