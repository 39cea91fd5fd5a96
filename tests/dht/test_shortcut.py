"""The short way answers as the long way does, or not at all."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht.contact import Contact, Family
from magnetite.dht.decoding import decode
from magnetite.dht.encoding import encode_query
from magnetite.dht.item_store import ItemStore
from magnetite.dht.messages import FindNode, GetPeers, IncomingQuery, Ping, Query
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.responder import Responder
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.shortcut import Shortcut
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import Endpoint, Scope
from magnetite.events import Event
from magnetite.ids import InfoHash, NodeId

SOURCES = {Family.IPV4: Endpoint("8.8.8.8", 1234), Family.IPV6: Endpoint("2001:4860:4860::8888", 1234)}
KNOWN = InfoHash(77)

numbers = st.integers(0, (1 << 160) - 1)
queries = st.one_of(
    st.builds(FindNode, numbers.map(NodeId), st.sets(st.sampled_from(Family)).map(frozenset)),
    st.builds(GetPeers, st.just(KNOWN) | numbers.map(InfoHash), st.just(frozenset()), st.booleans(), st.booleans()),
    st.builds(GetPeers, numbers.map(InfoHash)),
    st.builds(FindNode, numbers.map(NodeId)),
    st.just(Ping()),
)


def ignore(event: Event) -> None: ...


class World:
    def __init__(self, family: Family) -> None:
        self.family = family
        rng = Random(1)
        self.table = RoutingTable(NodeId(5 << 150), Scope.GLOBAL, ignore)
        for number in range(40):
            ip = f"{number + 1}.2.3.4" if family is Family.IPV4 else f"2a00:{number:x}::1"
            self.table.on_response(Contact(NodeId(rng.getrandbits(160)), Endpoint(ip, 6881)), 0.1, now=0)
        self.store, tokens = PeerStore(rng, now=0), Tokens(rng, now=0)
        self.store.add(KNOWN, SOURCES[family], now=0)
        self.responder = Responder({family: self.table}, self.store, ItemStore(), tokens, ignore)
        self.shortcut = Shortcut(self.table, family, self.store, tokens)

    def both(self, data: bytes) -> tuple[bytes | None, bytes]:
        source = SOURCES[self.family]
        short = self.shortcut.answer(data, source, now=1)
        message = decode(data)
        assert isinstance(message, IncomingQuery)
        return short and short[1], self.responder.answer(message, source, len(data), now=1)


@given(st.sampled_from(Family), queries, st.binary(min_size=1, max_size=9), numbers.map(NodeId), st.booleans())
def test_where_there_is_a_short_answer_it_is_the_long_one(
    family: Family, query: Query, transaction: bytes, sender: NodeId, read_only: bool
) -> None:
    short, long = World(family).both(encode_query(transaction, sender, query, read_only))
    assert short in (None, long)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("query", [FindNode(NodeId(9)), GetPeers(InfoHash(9))])
@pytest.mark.parametrize("read_only", [True, False])
def test_plain_queries_take_the_short_way(family: Family, query: FindNode | GetPeers, read_only: bool) -> None:
    data = encode_query(b"aaaa", NodeId(3), query, read_only)
    short, long = World(family).both(data)
    assert short == long
    answered = World(family).shortcut.answer(data, SOURCES[family], now=1)
    assert answered is not None
    assert answered[0] == query.method


def test_who_asks_the_short_way_is_noted_unless_it_is_read_only() -> None:
    for read_only in (True, False):
        world = World(Family.IPV4)
        before = len(world.table)
        world.shortcut.answer(encode_query(b"aa", NodeId(3), FindNode(NodeId(9)), read_only), SOURCES[Family.IPV4], 1)
        assert len(world.table) == before + (not read_only)


def test_our_own_query_and_torrents_we_know_peers_of_take_the_long_way() -> None:
    world = World(Family.IPV4)
    source = SOURCES[Family.IPV4]
    assert world.shortcut.answer(encode_query(b"aa", world.table.own_id, FindNode(NodeId(9))), source, 1) is None
    assert world.shortcut.answer(encode_query(b"aa", NodeId(3), GetPeers(KNOWN)), source, 1) is None


def test_a_new_id_of_ours_is_told_from_then_on() -> None:
    world = World(Family.IPV4)
    world.table.rehome(NodeId(9 << 150), now=1)
    short, long = world.both(encode_query(b"aa", NodeId(3), FindNode(NodeId(9))))
    assert short == long
