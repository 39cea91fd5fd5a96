"""What lookups share: who was silent, who is not to be believed, who answered, how large the network is."""

from __future__ import annotations

from math import inf
from random import Random

import pytest

from magnetite.dht import identities, unreachable
from magnetite.dht.contact import Contact, K
from magnetite.dht.experience import Experience
from magnetite.dht.identities import BAN, Identities
from magnetite.dht.lookup_cache import LIFETIME, MAX_CONTACTS, LookupCache
from magnetite.dht.network_size import ENOUGH, UNKNOWN, NetworkSize
from magnetite.dht.subnets import subnet_of
from magnetite.dht.unreachable import MEMORY, SUSPICION, Unreachable
from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId

HERE = Endpoint("8.8.8.8", 6881)
SPACE = 1 << 160


def nth(number: int) -> Contact:
    return Contact(NodeId(number), Endpoint(f"9.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("8.8.8.8", "8.8.8.9", True),
        ("8.8.8.8", "8.8.9.8", False),
        ("2a00::1", "2a00::ffff:1", True),
        ("2a00::1", "2a00:0:0:1::1", False),
    ],
)
def test_a_subnet_is_a_24_or_a_64(one: str, other: str, same: bool) -> None:
    assert (subnet_of(one) == subnet_of(other)) is same


@pytest.mark.parametrize("ip", ["10.0.0.1", "127.0.0.1", "192.168.1.1", "::1", "fe80::1"])
def test_private_addresses_belong_to_no_subnet(ip: str) -> None:
    assert subnet_of(ip) is None


def test_an_endpoint_that_failed_is_remembered_for_ten_minutes_or_until_it_answers() -> None:
    failed = Unreachable()
    failed.on_failure(HERE, now=0)
    assert failed.holds(HERE, now=MEMORY - 1)
    assert not failed.holds(HERE, now=MEMORY)
    failed.on_answer(HERE)
    assert not failed.holds(HERE, now=1)


def test_silence_is_a_suspicion_that_a_failure_confirms() -> None:
    failed = Unreachable()
    failed.on_silence(HERE, now=0)
    assert failed.holds(HERE, now=1)
    assert not failed.holds(HERE, now=SUSPICION)
    failed.on_failure(HERE, now=SUSPICION)
    failed.on_silence(HERE, now=SUSPICION + 1)
    assert failed.holds(HERE, now=MEMORY)


def test_failures_are_bounded_and_the_oldest_are_forgotten() -> None:
    failed = Unreachable()
    for number in range(unreachable.MAX_ENDPOINTS + 10):
        failed.on_failure(nth(number).endpoint, now=0)
    assert len(failed) == unreachable.MAX_ENDPOINTS
    assert not failed.holds(nth(0).endpoint, now=0)


def test_one_change_of_id_is_forgiven_and_a_second_banned_for_twelve_hours() -> None:
    known = Identities()
    for number in (1, 1, 2, 2):
        known.on_answer(HERE, NodeId(number), now=0)
    assert not known.is_banned(HERE, now=0)
    known.on_answer(HERE, NodeId(3), now=1)
    assert known.is_banned(HERE, now=BAN)
    assert not known.is_banned(HERE, now=1 + BAN)


def test_restarts_long_apart_are_forgiven() -> None:
    known = Identities()
    for day in range(10):
        known.on_answer(HERE, NodeId(day), now=day * 86_400)
    assert not known.is_banned(HERE, now=10 * 86_400)


def test_identities_and_bans_are_bounded() -> None:
    known = Identities()
    for number in range(identities.MAX_ENDPOINTS + 10):
        for node_id in range(3):
            known.on_answer(nth(number).endpoint, NodeId(node_id), now=0)
        known.on_answer(Endpoint("1.1.1.1", number + 1), NodeId(1), now=0)
    assert len(known) == 2 * identities.MAX_ENDPOINTS


def test_who_is_banned_is_neither_believed_nor_asked() -> None:
    experience = Experience()
    answers = [experience.on_answer(Contact(NodeId(number), HERE), 0.1, now=0) for number in range(3)]
    assert answers == [True, True, False]
    assert experience.is_dubious(HERE, now=1)


def test_the_cache_gives_the_closest_that_answered_lately() -> None:
    rng, cache = Random(1), LookupCache()
    contacts = [Contact(NodeId(rng.getrandbits(160)), nth(number).endpoint) for number in range(500)]
    for contact in contacts:
        cache.on_answer(contact, 0.1, now=0)
    right = 0
    for _ in range(100):
        target = rng.getrandbits(160)
        nearest = sorted(contacts, key=lambda contact: contact.node_id ^ target)[:K]
        right += len(set(nearest) & {answered.contact for answered in cache.closest(target, K, now=1)})
    assert right >= 0.95 * 100 * K
    assert cache.closest(0, K, now=LIFETIME + 1) == []


def test_the_cache_is_bounded_and_forgets_who_answered_longest_ago() -> None:
    cache = LookupCache()
    for number in range(MAX_CONTACTS + 1):
        cache.on_answer(nth(number), 0.1, now=0)
        cache.on_answer(nth(1), 0.1, now=0)
    assert len(cache) == MAX_CONTACTS
    assert cache.get(nth(0), now=0) is None
    assert cache.get(nth(1), now=0) is not None


def test_the_cache_knows_a_contact_by_its_address_too() -> None:
    cache = LookupCache()
    cache.on_answer(nth(1), 0.1, now=0)
    assert cache.get(Contact(NodeId(1), HERE), now=0) is None


@pytest.mark.parametrize("nodes", [100, 3_000, 10_000_000])
def test_the_size_of_the_network_is_estimated_within_a_fifth(nodes: int) -> None:
    rng, size = Random(nodes), NetworkSize()
    for _ in range(64):
        distance, distances = 0.0, []
        for _ in range(K):
            distance += rng.expovariate(nodes)
            distances.append(int(distance * SPACE))
        size.add(distances)
    assert 0.8 * nodes <= size.nodes <= 1.2 * nodes


def test_the_size_is_unknown_until_enough_lookups_have_found_k_nodes() -> None:
    size = NetworkSize()
    for _ in range(ENOUGH - 1):
        size.add([SPACE // 8] * K)
    size.add([1] * (K - 1))
    assert size.nodes == 0
    assert size.widening == UNKNOWN


def test_a_crowd_around_some_targets_does_not_change_the_estimate() -> None:
    size = NetworkSize()
    for number in range(20):
        size.add([SPACE // 1_000 * rank if number % 3 else rank for rank in range(1, K + 1)])
    assert 800 <= size.nodes <= 1_000


def test_the_closest_are_enough_unless_they_are_too_close_or_too_far_to_be_so_by_chance() -> None:
    size = NetworkSize()
    for _ in range(ENOUGH):
        size.add([SPACE // 1_000 * rank for rank in range(1, K + 1)])
    expected = SPACE // size.nodes  # distance in which there is one node
    assert size.widening.radius(expected) == size.widening.reach
    assert size.widening.radius(K * expected) == 0
    assert size.widening.radius(5 * K * expected) == inf
    assert UNKNOWN.radius(1) == 0
    assert UNKNOWN.radius(SPACE - 1) == 0
