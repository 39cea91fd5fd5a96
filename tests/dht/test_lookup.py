"""Whom a lookup asks, when it stops, and what it does not believe."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from random import Random

import pytest

from magnetite.dht.contact import Contact, Family, K
from magnetite.dht.lookup import ALPHA, MAX_CANDIDATES, MAX_NAMED, MAX_PEERS, MAX_QUERIES, PATIENCE, Lookup
from magnetite.dht.messages import Response
from magnetite.dht.round_trips import FIRST_STALL, RoundTrips
from magnetite.endpoint import Endpoint, Scope
from magnetite.ids import NodeId

OWN = NodeId(1 << 159)


def nth(number: int) -> Contact:
    """Contact `number` of the world: its distance to target 0 is its number."""
    return Contact(NodeId(number), Endpoint(f"1.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 6881))


def reply(
    contact: Contact, nodes: Sequence[Contact] = (), values: Sequence[Endpoint] = (), token: bytes = b""
) -> Response:
    return Response(b"aa", contact.node_id, tuple(nodes), values=tuple(values), token=token)


def lookup(start: Sequence[Contact]) -> Lookup:
    return Lookup(0, OWN, start, family=Family.IPV4, scope=Scope.GLOBAL, round_trips=RoundTrips())


def ask_all(lookup: Lookup, now: float) -> list[Contact]:
    asked = []
    while (contact := lookup.next_contact(now)) is not None:
        lookup.on_asked(contact, now)
        asked.append(contact)
    return asked


def test_the_closest_are_asked_first_and_a_few_at_a_time() -> None:
    search = lookup([nth(number) for number in range(30, 0, -1)])
    assert ask_all(search, now=0) == [nth(number) for number in range(1, ALPHA + 1)]


def test_an_answer_frees_a_slot_for_the_closest_that_is_known_now() -> None:
    search = lookup([nth(number) for number in range(100, 120)])
    first = ask_all(search, now=0)
    search.on_reply(first[0], reply(first[0], nodes=[nth(7)]))
    assert ask_all(search, now=0.1) == [nth(7)]


def test_it_ends_when_the_k_closest_have_answered_and_not_before() -> None:
    search = lookup([nth(number) for number in range(1, 20)])
    answered = 0
    while not search.is_finished(now=0):
        for contact in ask_all(search, now=0):
            search.on_reply(contact, reply(contact))
            answered += 1
    assert search.closest == [nth(number) for number in range(1, K + 1)]
    assert answered == K


def test_it_ends_when_nobody_is_left() -> None:
    search = lookup([nth(1), nth(2)])
    for contact in ask_all(search, now=0):
        assert not search.is_finished(now=0)
        search.on_failure(contact)
    assert search.is_finished(now=0)
    assert search.closest == []
    assert lookup([]).is_finished(now=0)


def test_a_silent_node_loses_its_slot_after_a_stall_time_and_its_late_answer_is_used() -> None:
    search = lookup([nth(number) for number in range(1, 20)])
    first = ask_all(search, now=0)
    assert search.next_wake(now=0) == FIRST_STALL
    assert ask_all(search, now=FIRST_STALL - 0.01) == []
    assert ask_all(search, now=FIRST_STALL) == [nth(number) for number in range(ALPHA + 1, 2 * ALPHA + 1)]
    assert search.on_reply(first[0], reply(first[0], values=[Endpoint("8.8.8.8", 1)])) == [Endpoint("8.8.8.8", 1)]
    assert search.closest == [first[0]]


def test_it_does_not_wait_long_for_silent_nodes_in_order_to_end() -> None:
    search = lookup([nth(1)])
    ask_all(search, now=0)
    assert not search.is_finished(now=FIRST_STALL)
    assert search.next_wake(now=FIRST_STALL) == PATIENCE * FIRST_STALL
    assert search.is_finished(now=PATIENCE * FIRST_STALL)
    assert search.next_wake(now=PATIENCE * FIRST_STALL) == inf


def test_where_nearly_everybody_is_silent_it_goes_on_at_a_slower_pace() -> None:
    search = lookup([nth(number) for number in range(1, 33)])
    asked = [len(ask_all(search, now=turn * FIRST_STALL)) for turn in range(6)]
    assert asked == [5, 5, 2, 0, 3, 2]


def test_an_answer_under_another_id_is_not_believed() -> None:
    search = lookup([nth(5)])
    ask_all(search, now=0)
    assert search.on_reply(nth(5), reply(nth(6), nodes=[nth(1)], values=[Endpoint("8.8.8.8", 1)])) == []
    assert search.is_finished(now=0)


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("127.0.0.1", 1),
        Endpoint("10.0.0.1", 1),
        Endpoint("169.254.0.1", 1),
        Endpoint("224.0.0.1", 1),
        Endpoint("8.8.8.8", 0),
    ],
)
def test_endpoints_that_cannot_be_meant_for_us_are_neither_asked_nor_handed_on(endpoint: Endpoint) -> None:
    search = lookup([nth(5)])
    ask_all(search, now=0)
    lies = reply(nth(5), nodes=[Contact(NodeId(1), endpoint), Contact(OWN, nth(3).endpoint)], values=[endpoint])
    assert search.on_reply(nth(5), lies) == []
    assert search.next_contact(now=0) is None


def test_one_address_has_one_voice() -> None:
    search = lookup([nth(5)])
    ask_all(search, now=0)
    twins = [Contact(NodeId(number), Endpoint("8.8.8.8", number)) for number in (1, 2, 3)]
    search.on_reply(nth(5), reply(nth(5), nodes=twins))
    assert ask_all(search, now=0) == twins[:1]


def test_liars_cannot_make_it_grow_or_go_on_for_ever() -> None:
    rng = Random(1)
    start = nth(1 << 20)
    search = lookup([start])
    distance = 1 << 158
    for _ in range(10_000):
        contact = search.next_contact(now=0)
        if contact is None:
            break
        search.on_asked(contact, now=0)
        named = []
        for _ in range(100):
            distance -= 1 << 140
            ip = ".".join(str(rng.randrange(1, 120)) for _ in range(4))
            named.append(Contact(NodeId(distance), Endpoint(ip, 1)))
        search.on_reply(contact, reply(contact, nodes=named))
        assert search.known <= MAX_CANDIDATES + search.asked
    assert search.is_finished(now=0)
    assert search.asked <= MAX_QUERIES


def test_of_one_answer_only_so_many_contacts_are_taken() -> None:
    search = lookup([nth(1 << 20)])
    ask_all(search, now=0)
    search.on_reply(nth(1 << 20), reply(nth(1 << 20), nodes=[nth(number) for number in range(1, 100)]))
    assert search.known == 1 + MAX_NAMED


def test_peers_are_given_once_and_bounded() -> None:
    search = lookup([nth(1), nth(2)])
    ask_all(search, now=0)
    peers = [Endpoint(f"8.{number >> 8}.{number & 255}.8", 1) for number in range(MAX_PEERS + 10)]
    assert search.on_reply(nth(1), reply(nth(1), values=peers[:5])) == peers[:5]
    assert search.on_reply(nth(2), reply(nth(2), values=peers)) == peers[5:MAX_PEERS]
    assert search.peers == MAX_PEERS


def test_tokens_are_those_of_the_k_closest() -> None:
    search = lookup([nth(number) for number in range(1, 4)])
    for contact in ask_all(search, now=0):
        search.on_reply(contact, reply(contact, token=b"" if contact == nth(2) else b"token%d" % contact.node_id))
    assert search.tokens == [(nth(1), b"token1"), (nth(3), b"token3")]


@pytest.mark.parametrize("alive", [1.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_k_closest_living_of_a_thousand(seed: int, alive: float) -> None:
    rng = Random(seed)
    contacts = [
        Contact(NodeId(rng.getrandbits(160)), Endpoint(f"1.2.{number >> 8}.{number & 255}", 1))
        for number in range(1000)
    ]
    nearest = sorted(contact for contact in contacts if rng.random() < alive)
    known = {}
    for index, contact in enumerate(nearest):  # as in a routing table: some far away, and all neighbours
        known[contact] = {*rng.sample(nearest, 60), *nearest[max(0, index - 12) : index + 12]}
    search = lookup(rng.sample(contacts, 32))
    now = 0.0
    while not search.is_finished(now):
        for contact in ask_all(search, now):
            if contact in known:
                search.on_reply(contact, reply(contact, nodes=sorted(known[contact])[:K]))
        now = min(search.next_wake(now), now + 1)
    assert search.closest == nearest[:K]
