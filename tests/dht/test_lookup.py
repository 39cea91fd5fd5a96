"""Whom a lookup asks, when it stops, and what it does not believe."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from math import inf
from random import Random

import pytest

from magnetite.dht.candidates import DISTRUST, MAX_CANDIDATES, WIDEST, Candidate
from magnetite.dht.contact import Contact, Family, K
from magnetite.dht.experience import Experience
from magnetite.dht.lookup import (
    ALPHA,
    HURRY,
    MAX_NAMED,
    MAX_PEERS,
    MAX_QUERIES,
    PATIENCE,
    TRIES,
    Known,
    Lookup,
    begin_lookup,
)
from magnetite.dht.messages import Response
from magnetite.dht.network_size import ENOUGH
from magnetite.dht.round_trips import FIRST_STALL, RoundTrips
from magnetite.dht.routing_table import RoutingTable
from magnetite.endpoint import Endpoint, Scope
from magnetite.ids import NodeId

OWN = NodeId(1 << 159)


def nth(number: int) -> Contact:
    """Contact `number` of the world: its distance to target 0 is its number."""
    return Contact(NodeId(number), Endpoint(f"{1 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}.7", 6881))


def reply(
    contact: Contact, nodes: Sequence[Contact] = (), values: Sequence[Endpoint] = (), token: bytes = b""
) -> Response:
    return Response(b"aa", contact.node_id, tuple(nodes), values=tuple(values), token=token)


def lookup(start: Sequence[Contact], experience: Experience | None = None, round_trip: float = inf) -> Lookup:
    return Lookup(
        0,
        OWN,
        [Known(contact, round_trip) for contact in start],
        family=Family.IPV4,
        scope=Scope.GLOBAL,
        round_trips=RoundTrips(),
        experience=experience or Experience(),
        now=0,
    )


def ask_all(lookup: Lookup, now: float) -> list[Contact]:
    asked = []
    while (contact := lookup.next_contact(now)) is not None:
        lookup.on_asked(contact, now)
        asked.append(contact)
    return asked


def test_the_closest_are_asked_first_and_a_few_at_a_time() -> None:
    search = lookup([nth(number) for number in range(30, 0, -1)])
    assert ask_all(search, now=0) == [nth(number) for number in range(1, HURRY + 1)]


def test_one_that_nobody_waits_for_asks_fewer_at_a_time() -> None:
    search = lookup([nth(number) for number in range(1, 31)])
    search.is_patient = True
    assert ask_all(search, now=0) == [nth(number) for number in range(1, ALPHA + 1)]


def test_what_a_lookup_held_is_gone_with_it_though_nodes_name_each_other() -> None:
    def ask_around() -> None:
        everybody = [nth(number) for number in range(1, 31)]
        search = lookup(everybody)
        while not search.is_finished(now=0):
            for contact in ask_all(search, now=0):
                search.on_reply(contact, reply(contact, nodes=everybody[:MAX_NAMED]), now=0)

    gc.collect()
    gc.disable()
    try:
        ask_around()
        assert not [each for each in gc.get_objects() if isinstance(each, Candidate)]
    finally:
        gc.enable()


def test_an_answer_frees_a_slot_for_the_closest_that_is_known_now() -> None:
    search = lookup([nth(number) for number in range(100, 120)])
    first = ask_all(search, now=0)
    search.on_reply(first[0], reply(first[0], nodes=[nth(7)]), now=0)
    assert ask_all(search, now=0.1) == [nth(7)]


def test_it_ends_when_the_k_closest_have_answered_and_not_before() -> None:
    search = lookup([nth(number) for number in range(1, 20)])
    answered = 0
    while not search.is_finished(now=0):
        for contact in ask_all(search, now=0):
            search.on_reply(contact, reply(contact), now=0)
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
    assert ask_all(search, now=FIRST_STALL) == [nth(number) for number in range(HURRY + 1, 2 * HURRY + 1)]
    assert search.on_reply(first[0], reply(first[0], values=[Endpoint("8.8.8.8", 1)]), now=0) == [
        Endpoint("8.8.8.8", 1)
    ]
    assert search.closest == [first[0]]


def test_it_does_not_wait_long_for_silent_nodes_in_order_to_end() -> None:
    search = lookup([nth(1)])
    ask_all(search, now=0)
    assert not search.is_finished(now=FIRST_STALL)
    assert search.next_wake(now=FIRST_STALL) == PATIENCE * FIRST_STALL
    assert search.is_finished(now=PATIENCE * FIRST_STALL)
    assert search.next_wake(now=PATIENCE * FIRST_STALL) == inf


def test_where_nearly_everybody_is_silent_it_goes_on_at_a_slower_pace() -> None:
    search = lookup([nth(number) for number in range(1, 65)])
    asked = [len(ask_all(search, now=turn * FIRST_STALL)) for turn in range(8)]
    assert asked == [6, 6, 6, 6, 0, 0, 0, 6]


def test_it_hurries_until_a_peer_is_found() -> None:
    search = lookup([nth(number) for number in range(1, 40)])
    first, *others = ask_all(search, now=0)
    search.on_reply(first, reply(first, values=[Endpoint("8.8.8.8", 1)]), now=0)
    assert ask_all(search, now=0) == []
    for each in others[: HURRY - ALPHA]:
        search.on_reply(each, reply(each), now=0)
    assert len(ask_all(search, now=0)) == 1


def test_of_contacts_that_are_equally_far_the_fast_ones_are_asked_first() -> None:
    slow, fast = Known(nth(1 << 20), 0.6), Known(nth(1 << 20 | 1), 0.05)
    search = Lookup(
        0,
        OWN,
        [slow, fast],
        family=Family.IPV4,
        scope=Scope.GLOBAL,
        round_trips=RoundTrips(),
        experience=Experience(),
        now=0,
    )
    assert search.next_contact(now=0) == fast.contact


def test_a_contact_known_to_be_fast_stalls_sooner() -> None:
    search = lookup([nth(1)], round_trip=0.2)
    ask_all(search, now=0)
    assert search.next_wake(now=0) == pytest.approx(0.3)


def test_whoever_did_not_answer_lately_is_asked_last() -> None:
    experience = Experience()
    experience.on_failure(nth(1).endpoint, now=0)
    assert ask_all(lookup([nth(1), nth(2), nth(3)], experience), now=0) == [nth(2), nth(3), nth(1)]


def test_what_one_lookup_finds_silent_another_asks_last() -> None:
    experience = Experience()
    first, second = lookup([nth(1)], experience), lookup([nth(9)], experience)
    ask_all(first, now=0)
    assert first.next_contact(now=FIRST_STALL) is None
    ask_all(second, now=FIRST_STALL)
    second.on_reply(nth(9), reply(nth(9), nodes=[nth(1), nth(2)]), now=FIRST_STALL)
    assert ask_all(second, now=FIRST_STALL) == [nth(2), nth(1)]


def test_names_told_by_a_source_whose_other_names_are_silent_count_less() -> None:
    search = lookup([nth(1000), nth(1001)])
    liar, honest = ask_all(search, now=0)
    search.on_reply(liar, reply(liar, nodes=[nth(number) for number in range(1, 10)]), now=0)
    asked = ask_all(search, now=0)
    for each in asked[:DISTRUST]:
        search.on_failure(each)
    search.on_reply(honest, reply(honest, nodes=[nth(500)]), now=0)
    assert search.next_contact(now=0) == nth(500)


def test_a_second_source_makes_up_for_a_liar() -> None:
    search = lookup([nth(1000), nth(1001)])
    liar, honest = ask_all(search, now=0)
    search.on_reply(liar, reply(liar, nodes=[nth(number) for number in range(1, 10)]), now=0)
    for each in ask_all(search, now=0)[:DISTRUST]:
        search.on_failure(each)
    search.on_reply(honest, reply(honest, nodes=[nth(9), nth(500)]), now=0)
    assert search.next_contact(now=0) == nth(9)


def test_a_silent_node_is_asked_again_only_by_a_thorough_lookup() -> None:
    search = lookup([nth(1)])
    ask_all(search, now=0)
    assert ask_all(search, now=FIRST_STALL) == []
    search.is_thorough = True
    asked = [contact for turn in range(1, 10) for contact in ask_all(search, now=turn * FIRST_STALL)]
    assert asked == [nth(1)] * (TRIES - 1)


def test_a_thorough_lookup_asks_the_closest_for_their_own_neighbours() -> None:
    search = lookup([nth(number) for number in range(1, K + 1)])
    search.is_thorough = True
    aims = []
    while (contact := search.next_contact(now=0)) is not None:
        aims.append(search.on_asked(contact, now=0))
        search.on_reply(contact, reply(contact), now=0)
    assert aims == [None] * K + list(range(1, K + 1))
    assert search.is_finished(now=0)


def test_of_one_subnet_two_count_as_closest() -> None:
    neighbours = [Contact(NodeId(number), Endpoint(f"9.9.9.{number}", 1)) for number in range(1, 9)]
    search = lookup([*neighbours, *[nth(number) for number in range(100, 120)]])
    while not search.is_finished(now=0):
        for contact in ask_all(search, now=0):
            search.on_reply(contact, reply(contact, token=b"t"), now=0)
    assert search.closest == [*neighbours[:2], *[nth(number) for number in range(100, 106)]]
    assert [contact for contact, _ in search.tokens] == search.closest


def test_of_one_subnet_whose_nodes_are_silent_four_are_tried() -> None:
    neighbours = [Contact(NodeId(number), Endpoint(f"9.9.9.{number}", 1)) for number in range(1, 30)]
    search = lookup(neighbours)
    tried = 0
    while not search.is_finished(now=0):
        for contact in ask_all(search, now=0):
            search.on_failure(contact)
            tried += 1
    assert tried == 4


@pytest.mark.parametrize(("crowd", "expected"), [(0, K), (20, 20 + 3 * K)])
def test_where_too_many_are_too_close_it_goes_on_to_those_whom_they_hide(crowd: int, expected: int) -> None:
    experience, step = Experience(), (1 << 160) // 4_000
    for _ in range(ENOUGH):
        experience.network_size.add([step * number for number in range(1, K + 1)])
    honest = [Contact(NodeId(step * number), Endpoint(f"30.{number}.1.1", 1)) for number in range(1, 100)]
    sybils = [nth(number) for number in range(1, crowd + 1)]
    search = lookup([*sybils, *honest], experience)
    while not search.is_finished(now=0):
        for contact in ask_all(search, now=0):
            search.on_reply(contact, reply(contact, token=b"t"), now=0)
    assert expected - 6 <= len(search.tokens) <= min(expected + 6, WIDEST)
    assert len(search.closest) == K


def test_where_the_closest_are_too_far_others_are_asked_who_may_know_closer_ones() -> None:
    experience, step = Experience(), (1 << 160) // 4_000
    for _ in range(ENOUGH):
        experience.network_size.add([step * number for number in range(1, K + 1)])
    useless = [Contact(NodeId((1 << 155) + number), Endpoint(f"8.8.{number}.8", 1)) for number in range(K)]
    honest, closer = Contact(NodeId(1 << 156), Endpoint("9.9.9.9", 1)), [nth(number) for number in range(1, K + 1)]
    search = lookup([*useless, honest], experience)
    while not search.is_finished(now=0):
        for contact in ask_all(search, now=0):
            search.on_reply(contact, reply(contact, nodes=closer if contact == honest else []), now=0)
    assert search.closest == closer


def test_banned_endpoints_are_not_asked() -> None:
    experience = Experience()
    for number in range(5):
        experience.on_answer(Contact(NodeId(number), nth(1).endpoint), 0.1, now=0)
    assert lookup([nth(1)], experience).known == 0


def test_its_end_tells_how_large_the_network_is() -> None:
    experience = Experience()
    step = (1 << 160) // 1_000
    contacts = [Contact(NodeId(step * number), Endpoint(f"30.{number}.1.1", 1)) for number in range(1, 30)]
    for _ in range(ENOUGH):
        search = lookup(contacts, experience)
        while not search.is_finished(now=0):
            for contact in ask_all(search, now=0):
                search.on_reply(contact, reply(contact), now=0)
        search.on_finished()
    assert 800 <= experience.network_size.nodes <= 1_200


def test_it_begins_with_the_table_and_with_those_that_answered_other_lookups() -> None:
    table = RoutingTable(OWN, Scope.GLOBAL, lambda event: None)
    table.on_response(nth(5), 0.1, now=0)
    table.experience.cache.on_answer(nth(3), 0.1, now=0)
    search = begin_lookup(0, table, RoundTrips(), Family.IPV4, now=1)
    assert ask_all(search, now=1) == [nth(3), nth(5)]


def test_an_answer_under_another_id_is_not_believed() -> None:
    search = lookup([nth(5)])
    ask_all(search, now=0)
    assert search.on_reply(nth(5), reply(nth(6), nodes=[nth(1)], values=[Endpoint("8.8.8.8", 1)]), now=0) == []
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
    assert search.on_reply(nth(5), lies, now=0) == []
    assert search.next_contact(now=0) is None


def test_one_address_has_one_voice() -> None:
    search = lookup([nth(5)])
    ask_all(search, now=0)
    twins = [Contact(NodeId(number), Endpoint("8.8.8.8", number)) for number in (1, 2, 3)]
    search.on_reply(nth(5), reply(nth(5), nodes=twins), now=0)
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
        search.on_reply(contact, reply(contact, nodes=named), now=0)
        assert search.known <= MAX_CANDIDATES + search.asked
    assert search.is_finished(now=0)
    assert search.asked <= MAX_QUERIES


def test_of_one_answer_only_so_many_contacts_are_taken() -> None:
    search = lookup([nth(1 << 20)])
    ask_all(search, now=0)
    search.on_reply(nth(1 << 20), reply(nth(1 << 20), nodes=[nth(number) for number in range(1, 100)]), now=0)
    assert search.known == 1 + MAX_NAMED


def test_peers_are_given_once_and_bounded() -> None:
    search = lookup([nth(1), nth(2)])
    ask_all(search, now=0)
    peers = [Endpoint(f"8.{number >> 8}.{number & 255}.8", 1) for number in range(MAX_PEERS + 10)]
    assert search.on_reply(nth(1), reply(nth(1), values=peers[:5]), now=0) == peers[:5]
    assert search.on_reply(nth(2), reply(nth(2), values=peers), now=0) == peers[5:MAX_PEERS]
    assert search.peers == MAX_PEERS


def test_tokens_are_those_of_the_k_closest() -> None:
    search = lookup([nth(number) for number in range(1, 4)])
    for contact in ask_all(search, now=0):
        search.on_reply(
            contact, reply(contact, token=b"" if contact == nth(2) else b"token%d" % contact.node_id), now=0
        )
    assert search.tokens == [(nth(1), b"token1"), (nth(3), b"token3")]


@pytest.mark.parametrize("alive", [1.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_k_closest_living_of_a_thousand(seed: int, alive: float) -> None:
    rng = Random(seed)
    contacts = [
        Contact(NodeId(rng.getrandbits(160)), Endpoint(f"2.{number >> 8}.{number & 255}.7", 1))
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
                search.on_reply(contact, reply(contact, nodes=sorted(known[contact])[:K]), now=0)
        now = min(search.next_wake(now), now + 1)
    assert search.closest == nearest[:K]
