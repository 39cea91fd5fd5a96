"""What we answer, to whom, and how much."""

from __future__ import annotations

from random import Random

import pytest

from magnetite.dht.contact import Contact, Family, K
from magnetite.dht.decoding import decode
from magnetite.dht.encoding import encode_query
from magnetite.dht.messages import (
    AnnouncePeer,
    ErrorCode,
    ErrorMessage,
    FindNode,
    GetPeers,
    IncomingQuery,
    Ping,
    Query,
    RefusedQuery,
    Response,
)
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.responder import MAX_AMPLIFICATION, MAX_ANSWER, Responder
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import Endpoint, Scope
from magnetite.events import Event, PeerStored
from magnetite.ids import InfoHash, NodeId

OWN, ASKER, HASH = NodeId(1), NodeId(2), InfoHash(1 << 150)
SOURCE, SOURCE6 = Endpoint("8.8.8.8", 1234), Endpoint("2001:4860:4860::8888", 1234)


class World:
    """A responder with all it stands on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.tables = {family: RoutingTable(OWN, Scope.GLOBAL, self.events.append) for family in Family}
        self.store = PeerStore(Random(1), now=0)
        tokens = Tokens(Random(1), now=0)
        self.responder = Responder(OWN, self.tables, self.store, tokens, self.events.append)
        for number in range(20):
            self._know(Family.IPV4, number, f"1.2.3.{number}")
            self._know(Family.IPV6, number, f"2001:4860::{number + 1:x}")
        self.events.clear()

    def _know(self, family: Family, number: int, ip: str) -> None:
        self.tables[family].on_response(Contact(NodeId(1 << 159 | number), Endpoint(ip, 6881)), 0.1, now=0)

    def ask(self, query: Query, source: Endpoint = SOURCE, *, read_only: bool = False) -> Response | ErrorMessage:
        datagram = encode_query(b"aa", ASKER, query, read_only)
        message = decode(datagram)
        assert isinstance(message, IncomingQuery)
        answer = self.responder.answer(message, source, len(datagram), now=0)
        assert len(answer) <= min(MAX_ANSWER[Family.IPV4], MAX_AMPLIFICATION * len(datagram))
        decoded = decode(answer)
        assert isinstance(decoded, Response | ErrorMessage)
        return decoded

    def answer(self, query: Query, source: Endpoint = SOURCE) -> Response:
        response = self.ask(query, source)
        assert isinstance(response, Response)
        return response


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
