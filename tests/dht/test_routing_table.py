"""The routing table against a model that scans everything, and the rules one by one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from magnetite.dht.bucket import MAX_UNVERIFIED
from magnetite.dht.closest import ClosestIndex
from magnetite.dht.contact import Contact, K
from magnetite.dht.routing_entry import QUESTIONABLE_AFTER, RoutingEntry
from magnetite.dht.routing_table import INDEX_LIFETIME, LARGE_BUCKETS, RoutingTable
from magnetite.dht.security import make_id
from magnetite.dht.upkeep import (
    ASK_AGAIN,
    ENOUGH,
    FAR_TURNS,
    HASTE,
    LEISURE,
    NEAR_BIAS,
    NEW_FOR,
    RETRY,
    next_to_ask,
    refresh_target,
    refresh_targets,
)
from magnetite.endpoint import Endpoint, Scope
from magnetite.errors import Reason
from magnetite.events import ContactAdded, ContactEvicted, Event
from magnetite.ids import NodeId

OWN = NodeId(0)
FAR = 1 << 159  # the first bit differs from our own id's


def contact(node_id: int, ip: str = "1.2.3.4", port: int = 6881) -> Contact:
    return Contact(NodeId(node_id), Endpoint(ip, port))


def nth(number: int, node_id: int) -> Contact:
    """One of many, in a subnet of its own."""
    return contact(node_id, f"{1 + number // 65536}.{number // 256 % 256}.{number % 256}.7")


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def table(events: list[Event]) -> RoutingTable:
    return RoutingTable(OWN, Scope.GLOBAL, events.append)


def fill_far_bucket(table: RoutingTable, round_trip: float = 0.1) -> list[Contact]:
    contacts = [nth(index, FAR + index) for index in range(LARGE_BUCKETS[0])]
    for each in contacts:
        table.on_response(each, round_trip, now=0)
    return contacts


def test_only_contacts_that_answered_us_are_handed_out(table: RoutingTable, events: list[Event]) -> None:
    table.on_query(contact(FAR), now=0)
    assert len(table) == 1
    assert table.closest(FAR, now=0) == []
    assert events == []
    table.on_response(contact(FAR), 0.1, now=1)
    assert table.closest(FAR, now=1) == [contact(FAR)]
    assert events == [ContactAdded(1, *contact(FAR))]


def test_a_contact_silent_for_15_minutes_is_no_longer_handed_out_until_it_answers(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    late = QUESTIONABLE_AFTER + INDEX_LIFETIME
    assert table.closest(FAR, now=late) == []
    table.on_response(contact(FAR), 0.1, now=late)
    assert table.closest(FAR, now=late) == [contact(FAR)]


def test_a_query_keeps_a_verified_contact_good(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.on_query(contact(FAR), now=QUESTIONABLE_AFTER)
    assert table.closest(FAR, now=QUESTIONABLE_AFTER + INDEX_LIFETIME) == [contact(FAR)]


def test_a_query_of_a_contact_that_was_questionable_makes_it_good_at_once(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    late = 2 * QUESTIONABLE_AFTER
    assert table.closest(FAR, now=late) == []
    table.on_query(contact(FAR), now=late)
    assert table.closest(FAR, now=late) == [contact(FAR)]


def test_one_public_address_has_one_entry(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.on_response(contact(FAR + 1, port=7000), 0.1, now=0)
    assert [entry.contact for entry in table] == [contact(FAR)]


def test_hosts_of_a_private_network_may_share_an_address() -> None:
    table = RoutingTable(OWN, Scope.LOOPBACK, lambda event: None)
    for port in (1, 2):
        table.on_response(contact(FAR + port, "127.0.0.1", port), 0.1, now=0)
    assert len(table) == 2


def test_a_node_that_changes_its_id_loses_its_old_place(table: RoutingTable, events: list[Event]) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.on_response(contact(FAR + 1), 0.1, now=1)
    assert [entry.contact for entry in table] == [contact(FAR + 1)]
    assert ContactEvicted(1, *contact(FAR), Reason.PROTOCOL_ERROR) in events


def test_a_stranger_cannot_take_the_id_of_a_good_contact(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.on_response(contact(FAR, "5.6.7.8"), 0.1, now=0)
    assert [entry.contact for entry in table] == [contact(FAR)]


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "224.0.0.1", "0.0.0.0"])
def test_addresses_that_a_public_node_cannot_reach_are_not_kept(table: RoutingTable, ip: str) -> None:
    table.on_response(contact(FAR, ip), 0.1, now=0)
    table.on_named(contact(FAR, ip), now=0)
    assert len(table) == 0


def test_neither_port_0_nor_our_own_id_is_kept(table: RoutingTable) -> None:
    table.on_named(contact(FAR, port=0), now=0)
    table.on_named(contact(OWN), now=0)
    table.on_response(contact(OWN), 0.1, now=0)
    assert len(table) == 0


def test_a_full_bucket_keeps_its_contacts_and_a_spare_takes_the_place_of_one_that_fails(
    table: RoutingTable, events: list[Event]
) -> None:
    contacts = fill_far_bucket(table)
    spare = nth(5000, FAR + 5000)
    table.on_response(spare, 0.1, now=1)
    assert spare not in [entry.contact for entry in table]
    table.on_failure(contacts[0].endpoint, now=2)
    assert contacts[0] in [entry.contact for entry in table]  # "try once more"
    table.on_failure(contacts[0].endpoint, now=3)
    assert contacts[0] not in [entry.contact for entry in table]
    assert spare in [entry.contact for entry in table]
    assert events[-2:] == [ContactEvicted(3, *contacts[0], Reason.TIMEOUT), ContactAdded(3, *spare)]


def test_a_much_faster_contact_takes_the_place_of_the_slowest_in_a_large_bucket(table: RoutingTable) -> None:
    fill_far_bucket(table, round_trip=0.3)
    slowest, fast = nth(1, FAR + 1), nth(5000, FAR + 5000)
    table.on_response(slowest, 5.0, now=1)
    table.on_response(fast, 0.1, now=2)
    kept = [entry.contact for entry in table]
    assert fast in kept
    assert slowest not in kept


def test_a_verified_contact_takes_the_place_of_an_unverified_one(table: RoutingTable) -> None:
    for index in range(LARGE_BUCKETS[0] - 1):
        table.on_response(nth(index, FAR + index), 0.1, now=0)
    table.on_named(nth(4999, FAR + 4999), now=0)
    verified = nth(5000, FAR + 5000)
    table.on_response(verified, 0.1, now=1)
    assert verified in [entry.contact for entry in table]
    assert len(table) == table.verified == LARGE_BUCKETS[0]


def test_only_so_many_unverified_contacts_of_a_bucket_wait_to_be_asked(table: RoutingTable) -> None:
    contacts = [nth(index, FAR + index) for index in range(MAX_UNVERIFIED + 1)]
    for each in contacts:
        table.on_named(each, now=0)
    assert len(table) == MAX_UNVERIFIED
    table.on_response(contacts[0], 0.1, now=1)
    table.on_named(contacts[-1], now=1)
    assert len(table) == MAX_UNVERIFIED + 1


def test_without_a_replacement_a_verified_contact_is_tried_five_times(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    for _ in range(4):
        table.on_failure(contact(FAR).endpoint, now=1)
    assert len(table) == 1
    table.on_failure(contact(FAR).endpoint, now=1)
    assert len(table) == 0


def test_an_unverified_contact_is_tried_once(table: RoutingTable) -> None:
    table.on_named(contact(FAR), now=0)
    table.on_failure(contact(FAR).endpoint, now=1)
    assert len(table) == 0


def test_a_lookup_starts_from_verified_contacts_and_fills_up_with_others(table: RoutingTable) -> None:
    near, far = nth(1, 1), nth(2, FAR)
    table.on_named(near, now=0)
    table.on_response(far, 0.1, now=0)
    assert [entry.contact for entry in table.nearest(0, 1)] == [far]
    assert [entry.contact for entry in table.nearest(0, 2)] == [far, near]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100, 368])
def test_the_index_equals_brute_force(count: int) -> None:
    rng = Random(count)
    entries = [verified(nth(index, rng.getrandbits(160) >> rng.choice(range(20)))) for index in range(count)]
    assert_equals_brute_force(index_of(entries, entries), entries, rng)


def test_the_index_equals_brute_force_while_it_changes() -> None:
    rng = Random(1)
    entries = [verified(nth(index, rng.getrandbits(160) >> rng.choice(range(20)))) for index in range(60)]
    held = entries[:20]
    index = index_of(entries, held)
    for each in rng.choices(entries, k=200):  # some are taken out that are not in, some added that are
        if rng.random() < 0.5:
            index.add(each.contact.node_id)
            held = [*(other for other in held if other is not each), each]
        else:
            index.discard(each.contact.node_id)
            held = [other for other in held if other is not each]
        assert len(index) == len(held)
        assert_equals_brute_force(index, held, rng, targets=5)


def index_of(entries: list[RoutingEntry], held: list[RoutingEntry]) -> ClosestIndex:
    return ClosestIndex({each.contact.node_id: each for each in entries}, [each.contact.node_id for each in held])


def verified(contact: Contact) -> RoutingEntry:
    entry = RoutingEntry(contact)
    entry.responded(0, 0.1)
    return entry


def assert_equals_brute_force(
    index: ClosestIndex, entries: list[RoutingEntry], rng: Random, targets: int = 200
) -> None:
    for target in [*(rng.getrandbits(160) for _ in range(targets)), *(entry.contact.node_id ^ 1 for entry in entries)]:
        expected = sorted((entry.contact for entry in entries), key=lambda each: each.node_id ^ target)[:K]
        assert index.closest(target) == expected
        assert index.closest_compact(target) == b"".join(each.compact() for each in expected)


def test_upkeep_asks_the_unverified_first_and_then_those_asked_least_recently(table: RoutingTable) -> None:
    table.on_response(nth(1, FAR), 0.1, now=0)
    table.on_response(nth(2, FAR + 1), 0.1, now=10)
    table.on_named(nth(3, FAR + 2), now=10)
    assert next_to_ask(table, now=11) == [nth(3, FAR + 2)]
    table.on_asked(nth(3, FAR + 2).endpoint, now=11)
    assert next_to_ask(table, now=12) == []
    table.on_response(nth(3, FAR + 2), 0.1, now=12)
    expected = [nth(1, FAR), nth(2, FAR + 1), nth(3, FAR + 2)]
    assert next_to_ask(table, now=12 + ASK_AGAIN * QUESTIONABLE_AFTER) == expected


def test_upkeep_asks_in_our_neighbourhood_first_and_then_where_few_are_good(table: RoutingTable) -> None:
    for index in range(K):
        table.on_response(nth(index, 1 << 100 | index), 0.1, now=0)
    table.on_response(nth(10, FAR), 0.1, now=0)
    table.on_named(nth(11, FAR + 1), now=0)
    table.on_named(nth(12, FAR >> 1), now=0)
    table.on_named(nth(13, 1 << 99), now=0)
    assert next_to_ask(table, now=1) == [nth(13, 1 << 99), nth(12, FAR >> 1), nth(11, FAR + 1)]


def test_upkeep_has_leisure_once_enough_contacts_are_good(table: RoutingTable) -> None:
    for number in range(10):
        table.on_named(nth(1000 + number, FAR + 1000 + number), now=0)
    for number in range(ENOUGH - 1):
        table.on_response(nth(number, FAR + number), 0.1, now=0)
    assert len(next_to_ask(table, now=1)) == HASTE
    table.on_response(nth(ENOUGH, FAR + ENOUGH), 0.1, now=1)
    assert len(next_to_ask(table, now=1)) == LEISURE
    table.on_asked(next_to_ask(table, now=1)[0].endpoint, now=1)
    assert len(next_to_ask(table, now=2)) == 2 * LEISURE


def test_upkeep_tries_a_silent_contact_again_soon(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.on_failure(contact(FAR).endpoint, now=1)
    assert next_to_ask(table, now=RETRY - 1) == []
    assert next_to_ask(table, now=RETRY + 1) == [contact(FAR)]


def test_upkeep_asks_for_ids_of_the_emptiest_bucket_or_around_our_own(table: RoutingTable) -> None:
    for index in range(K):
        table.on_response(nth(index, FAR >> 9 | index), 0.1, now=0)
    for index in range(20):
        table.on_response(nth(100 + index, FAR + index), 0.1, now=0)
    table.on_response(nth(200, FAR >> 2), 0.1, now=0)
    rng = Random(1)

    def asked(contact: Contact) -> set[int]:
        return {min(table.bucket_number(refresh_target(table, contact, rng)), 9) for _ in range(200)}

    assert asked(nth(100, FAR)) == {0, 9}  # a contact so far from us knows little of the ranges between
    assert asked(nth(200, FAR >> 2)) == {1, 9}
    assert asked(nth(0, FAR >> 9)) == {8, 9}


def test_joining_looks_up_ourselves_and_later_where_we_know_nobody(table: RoutingTable) -> None:
    for index in range(K):
        table.on_response(nth(index, FAR >> 9 | index), 0.1, now=0)
        table.on_response(nth(100 + index, FAR + index), 0.1, now=0)
    rng = Random(1)
    assert refresh_targets(table, 0, 0.0, rng) == [OWN]
    own, far = refresh_targets(table, FAR_TURNS.start, 0.0, rng)
    assert (own, table.bucket_number(far)) == (OWN, 1)
    assert len(refresh_targets(table, FAR_TURNS.stop, 0.0, rng)) == 2
    for number in range(1, 9):
        for index in range(K):
            table.on_response(nth(200 + 10 * number + index, (FAR >> number) + index), 0.1, now=0)
    assert refresh_targets(table, FAR_TURNS.stop, 0.0, rng) == [OWN]


def test_of_one_subnet_a_bucket_keeps_two(table: RoutingTable) -> None:
    for number in range(1, 6):
        table.on_response(contact(FAR + number, f"9.9.9.{number}"), 0.1, now=0)
        table.on_response(contact(FAR // 2 + number, f"9.9.9.{100 + number}"), 0.1, now=0)
    assert len(table) == 4


def test_a_verified_contact_takes_the_place_of_an_unverified_one_of_its_subnet(table: RoutingTable) -> None:
    for number in range(1, 4):
        table.on_named(contact(FAR + number, f"9.9.9.{number}"), now=0)
    table.on_response(contact(FAR + 9, "9.9.9.9"), 0.1, now=0)
    assert sorted(entry.contact.node_id - FAR for entry in table) == [2, 9]


def test_hosts_of_a_private_network_are_not_limited_by_subnet() -> None:
    table = RoutingTable(OWN, Scope.PRIVATE, lambda event: None)
    for number in range(1, 9):
        table.on_response(contact(FAR + number, f"10.0.0.{number}"), 0.1, now=0)
    assert len(table) == 8


def test_a_large_bucket_makes_room_for_parts_of_its_range_that_have_nobody(table: RoutingTable) -> None:
    fill_far_bucket(table)
    newcomers = [nth(1000 + part, FAR + (part << 155)) for part in range(1, 16)]
    for each in newcomers:
        table.on_response(each, 0.2, now=1)
    assert set(newcomers) <= {entry.contact for entry in table}
    assert len(table) == LARGE_BUCKETS[0]


def test_in_a_full_bucket_an_id_that_belongs_to_its_address_is_preferred(table: RoutingTable) -> None:
    fill_far_bucket(table)
    rng = Random(1)
    node_id = next(each for each in iter(lambda: make_id("5.6.7.8", rng), None) if each >= FAR)
    table.on_response(contact(node_id, "5.6.7.8"), 9.0, now=1)
    assert contact(node_id, "5.6.7.8") in [entry.contact for entry in table]


def test_hearsay_about_an_endpoint_that_failed_lately_is_not_believed(table: RoutingTable) -> None:
    table.on_failure(contact(FAR).endpoint, now=0)
    table.on_named(contact(FAR), now=1)
    assert len(table) == 0
    table.on_response(contact(FAR), 0.1, now=2)
    assert len(table) == 1


def test_an_endpoint_of_many_ids_is_kept_under_none(table: RoutingTable) -> None:
    for number in range(5):
        table.on_response(contact(FAR + number), 0.1, now=number)
    assert len(table) == 0
    assert table.nearest(FAR, 8) == []


def test_a_contact_that_failed_to_answer_is_not_handed_out_until_it_does(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.on_failure(contact(FAR).endpoint, now=1)
    assert table.closest(FAR, now=1) == []
    table.on_response(contact(FAR), 0.1, now=2)
    assert table.closest(FAR, now=2) == [contact(FAR)]


def test_who_has_been_there_for_hours_is_good_for_longer(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.on_response(contact(FAR), 0.1, now=4 * 3600)
    assert table.closest(FAR, now=5 * 3600) == [contact(FAR)]
    assert table.closest(FAR, now=6 * 3600) == []


def test_another_own_id_keeps_what_was_verified(table: RoutingTable, events: list[Event]) -> None:
    rng = Random(2)
    contacts = [nth(number, rng.getrandbits(160)) for number in range(100)]
    for each in contacts:
        table.on_response(each, 0.1, now=0)
    kept = {entry.contact: entry for entry in table}
    events.clear()
    table.rehome(NodeId(rng.getrandbits(160)), now=1)
    now_kept = {entry.contact: entry for entry in table}
    assert all(now_kept[each] is kept[each] for each in now_kept if each in kept)
    assert len(now_kept) >= 90
    assert len(events) == len(kept.keys() ^ now_kept.keys())
    assert all(table.closest(each.node_id, now=1)[0] == each for each in now_kept)


def test_our_own_id_is_no_contact_after_a_change_either(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.rehome(NodeId(FAR), now=1)
    assert len(table) == 0


def test_upkeep_leaves_alone_who_gave_a_sign_of_life_lately(table: RoutingTable) -> None:
    table.on_response(contact(FAR), 0.1, now=0)
    table.on_query(contact(FAR), now=NEW_FOR)
    assert next_to_ask(table, now=NEW_FOR + ASK_AGAIN * NEAR_BIAS * QUESTIONABLE_AFTER - 1) == []
    assert next_to_ask(table, now=NEW_FOR + ASK_AGAIN * NEAR_BIAS * QUESTIONABLE_AFTER) == [contact(FAR)]


class TableAgainstModel(RuleBasedStateMachine):
    """Whatever happens, in whatever order, the invariants hold."""

    def __init__(self) -> None:
        super().__init__()
        self.table = RoutingTable(OWN, Scope.GLOBAL, self._on_event)
        self.now = 0.0
        self.answered: set[Contact] = set()
        self.live: set[NodeId] = set()

    def _on_event(self, event: Event) -> None:
        match event:
            case ContactAdded(_, node_id, _):
                assert node_id not in self.live
                self.live.add(node_id)
            case ContactEvicted(_, node_id, _, _):
                self.live.remove(node_id)

    ids = st.integers(0, 40).flatmap(lambda shift: st.integers(0, 31).map(lambda low: (FAR >> shift) + low))
    contacts = st.builds(nth, st.integers(0, 60), ids) | st.builds(contact, ids, st.just("9.9.9.9"), st.integers(0, 2))

    @rule(each=contacts, round_trip=st.sampled_from([0.01, 0.1, 1.0]))
    def answers(self, each: Contact, round_trip: float) -> None:
        self.table.on_response(each, round_trip, self.now)
        self.answered.add(each)

    @rule(each=contacts)
    def asks(self, each: Contact) -> None:
        self.table.on_query(each, self.now)

    @rule(each=contacts, times=st.integers(1, 5))
    def is_silent(self, each: Contact, times: int) -> None:
        for _ in range(times):
            self.table.on_failure(each.endpoint, self.now)

    @rule(seconds=st.sampled_from([1, 61, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def buckets_are_within_their_capacity_and_hold_what_belongs_there(self) -> None:
        numbers = [self.table.bucket_number(entry.contact.node_id) for entry in self.table]
        for number in set(numbers):
            capacity = LARGE_BUCKETS[number] if number < len(LARGE_BUCKETS) else K
            assert numbers.count(number) <= capacity

    @invariant()
    def unverified_contacts_are_counted(self) -> None:
        for bucket in self.table.buckets.values():
            assert bucket.unverified == sum(not entry.is_verified for entry in bucket) <= MAX_UNVERIFIED

    @invariant()
    def an_id_and_an_address_have_one_entry(self) -> None:
        entries = list(self.table)
        assert len({entry.contact.node_id for entry in entries}) == len(entries)
        assert len({entry.contact.endpoint.ip for entry in entries}) == len(entries)
        assert all(entry.contact.node_id != OWN and entry.contact.endpoint.port for entry in entries)

    @invariant()
    def events_tell_which_verified_contacts_are_there(self) -> None:
        assert {entry.contact.node_id for entry in self.table if entry.is_verified} == self.live

    @invariant()
    def answers_hold_the_closest_that_answered_us(self) -> None:
        found = self.table.closest(FAR >> 3, self.now)
        assert set(found) <= self.answered
        assert set(found) <= {entry.contact for entry in self.table if entry.is_verified and not entry.failures}
        recent = [entry for entry in self.table if entry.is_good(self.now)]
        nearest = sorted((entry.contact for entry in recent), key=lambda each: each.node_id ^ FAR >> 3)[:K]
        assert [each for each in found if each in nearest] == [each for each in nearest if each in found]
        assert len(found) >= len(nearest)


TableAgainstModel.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestTableAgainstModel = TableAgainstModel.TestCase
