from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetite.dht import crawl as module
from magnetite.dht.contact import Contact, K
from magnetite.dht.crawl import (
    MAX_NAMED,
    MAX_STORED,
    MAX_WAITING,
    REGIONS,
    SHORTEST_INTERVAL,
    SILENT_FOR,
    UNSUPPORTED_FOR,
    Crawl,
    CrawlTally,
)
from magnetite.dht.messages import Response
from magnetite.dht.samples import Samples
from magnetite.endpoint import Endpoint
from magnetite.ids import InfoHash, NodeId


def nth(number: int, node_id: int | None = None) -> Contact:
    """A node at an address of its own."""
    rng = Random(number)
    ip = f"{number % 100 + 20}.{number // 100 % 250}.{number // 25_000 % 250}.1"
    return Contact(NodeId(rng.getrandbits(160) if node_id is None else node_id), Endpoint(ip, 6881))


def new_crawl(*contacts: Contact, seed: int = 0) -> Crawl:
    crawl = Crawl(Random(seed), lambda endpoint: endpoint.port != 0)
    crawl.add(contacts, 0)
    return crawl


def answer(contact: Contact, *nodes: Contact, samples: Samples | None = None) -> Response:
    return Response(b"t", contact.node_id, nodes=nodes, samples=samples)


def some(*hashes: int, num: int | None = None, interval: int = 600) -> Samples:
    return Samples(tuple(map(InfoHash, hashes)), len(hashes) if num is None else num, interval)


def ask(crawl: Crawl, now: float = 0) -> Contact:
    chosen = crawl.next_query(now)
    assert chosen is not None
    return chosen[0]


@pytest.mark.parametrize(
    ("outcome", "pause"),
    [("samples", 600.0), ("hasty", SHORTEST_INTERVAL), ("unsupported", UNSUPPORTED_FOR), ("silent", SILENT_FOR)],
)
def test_nobody_is_asked_again_before_its_interval(outcome: str, pause: float) -> None:
    crawl = new_crawl(nth(1))
    contact = ask(crawl)
    match outcome:
        case "samples":
            crawl.on_reply(contact, answer(contact, samples=some(1)), 0)
        case "hasty":
            crawl.on_reply(contact, answer(contact, samples=some(1, interval=0)), 0)
        case "unsupported":
            crawl.on_reply(contact, answer(contact), 0)
        case "silent":
            crawl.on_failure(contact, 0)
    assert crawl.is_finished
    crawl.add([contact], pause - 1)
    assert crawl.next_query(pause - 1) is None
    crawl.add([contact], pause)
    assert ask(crawl, pause) == contact


def test_one_address_is_asked_once_whatever_it_calls_itself() -> None:
    crawl = new_crawl(nth(1), nth(1, node_id=5), Contact(NodeId(9), Endpoint(nth(1).endpoint.ip, 7000)))
    assert crawl.waiting == 1
    ask(crawl)
    crawl.add([nth(1, node_id=77)], 1)
    assert crawl.next_query(1) is None
    assert not crawl.is_finished, "its answer may name others"


def test_an_info_hash_is_told_once() -> None:
    crawl = new_crawl(nth(1), nth(2))
    first, second = ask(crawl), ask(crawl)
    assert crawl.on_reply(first, answer(first, samples=some(1, 2)), 0) == [1, 2]
    assert crawl.on_reply(second, answer(second, samples=some(2, 3)), 0) == [3]
    assert crawl.tally == CrawlTally(asked=2, answered=2, supporting=2, stored=4, info_hashes=3)


def test_what_may_not_be_contacted_is_not() -> None:
    crawl = new_crawl(Contact(NodeId(1), Endpoint("30.1.1.1", 0)))
    assert crawl.is_finished


def test_regions_take_turns() -> None:
    low = [nth(number, node_id=number) for number in range(10)]
    high = [nth(100 + number, node_id=(1 << 159) + number) for number in range(10)]
    crawl = new_crawl(*low, *high)
    for _ in range(10):
        assert {ask(crawl).node_id >> 159, ask(crawl).node_id >> 159} == {0, 1}


def test_targets_lie_where_the_least_is_known() -> None:
    """With one contact in every region but one, the first target is there; then they go to one after the other."""
    contacts = [nth(number, node_id=number << 150) for number in range(REGIONS) if number != 700]
    crawl = new_crawl(*contacts)
    chosen = crawl.next_query(0)
    assert chosen is not None
    assert chosen[1] >> 150 == 700


def test_what_one_node_claims_to_store_is_believed_within_reason() -> None:
    crawl = new_crawl(nth(1))
    contact = ask(crawl)
    crawl.on_reply(contact, answer(contact, samples=some(1, num=1 << 62)), 0)
    assert crawl.tally.stored == MAX_STORED


def test_all_are_estimated_from_what_nodes_store_on_the_average() -> None:
    assert CrawlTally(supporting=10, stored=400).estimate(1_000) == 40 * 1_000 / K
    assert CrawlTally().estimate(1_000) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32))
def test_what_strangers_make_grow_is_bounded_and_intervals_are_kept(seed: int) -> None:
    """Liars name nodes without end, in one region or everywhere, with any interval."""
    rng = Random(seed)
    crawl = new_crawl(*(nth(number) for number in range(20)), seed=seed)
    next_at: dict[str, float] = {}
    for step in range(200):
        now = 30.0 * step
        chosen = crawl.next_query(now)
        if chosen is None:
            break
        contact = chosen[0]
        assert now >= next_at.get(contact.endpoint.ip, 0)
        crowd = rng.random() < 0.5
        named = [nth(rng.randrange(2_000), 7 if crowd else None) for _ in range(40)]
        if rng.random() < 0.2:
            crawl.on_failure(contact, now)
            next_at[contact.endpoint.ip] = now + SILENT_FOR
        else:
            interval = rng.choice([0, 60, 900, 21_600])
            before = crawl.waiting
            crawl.on_reply(contact, answer(contact, *named, samples=some(step, interval=interval)), now)
            next_at[contact.endpoint.ip] = now + max(interval, SHORTEST_INTERVAL)
            assert crawl.waiting <= before + MAX_NAMED
    assert crawl.waiting <= MAX_WAITING * REGIONS
    assert max(map(len, crawl._waiting)) <= MAX_WAITING


def test_when_no_more_can_be_remembered_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VISITED", 3)
    crawl = new_crawl(*(nth(number) for number in range(5)))
    for _ in range(3):
        contact = ask(crawl)
        crawl.on_reply(contact, answer(contact, samples=some(interval=1_000)), 0)
    assert crawl.next_query(999) is None
    assert not crawl.is_finished
    ask(crawl, 1_000)


def test_info_hashes_are_remembered_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
    crawl = new_crawl(nth(1), nth(2))
    first, second = ask(crawl), ask(crawl)
    crawl.on_reply(first, answer(first, samples=some(1, 2, 3, 4)), 0)
    assert crawl.on_reply(second, answer(second, samples=some(4, 1)), 0) == [1]
    assert len(crawl._seen) == 3


def test_a_crawl_from_one_contact_reaches_nearly_everybody() -> None:
    """1,000 nodes, each of whom knows its neighbours and a few in all other parts: as routing tables are."""
    rng = Random(1)
    nodes = {contact.node_id: contact for contact in map(nth, range(1_000))}
    tables = {node_id: table_of(node_id, list(nodes.values()), rng) for node_id in nodes}
    crawl = new_crawl(next(iter(nodes.values())))
    asked = 0
    while (chosen := crawl.next_query(0)) is not None:
        contact, target = chosen
        asked += 1
        closest = sorted(tables[contact.node_id], key=lambda each: each.node_id ^ target)[:K]
        crawl.on_reply(contact, answer(contact, *closest, samples=some()), 0)
    assert asked >= 0.95 * len(nodes)


def table_of(own_id: NodeId, others: list[Contact], rng: Random) -> list[Contact]:
    buckets: dict[int, list[Contact]] = {}
    for contact in others:
        buckets.setdefault((contact.node_id ^ own_id).bit_length(), []).append(contact)
    buckets.pop(0)
    return [contact for bucket in buckets.values() for contact in rng.sample(bucket, min(K, len(bucket)))]
