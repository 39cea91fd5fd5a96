from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.endpoint import Endpoint
from magnetite.swarm.gossip import BURST, FEW, GOSSIP_EVERY, Gossip
from magnetite.wire.pex import MOST_CONTACTS, PexFlag

LISTENER = Endpoint("93.184.216.1", 6881)
PLAIN = PexFlag(0)


def host(number: int) -> Endpoint:
    return Endpoint(f"93.185.{number >> 8}.{number & 255}", 6881)


def present(*numbers: int) -> dict[Endpoint, PexFlag]:
    return {host(number): PLAIN for number in numbers}


def numbers(most: int) -> st.SearchStrategy[set[int]]:
    return st.sets(st.integers(0, 200), max_size=most)


@given(st.lists(st.tuples(numbers(120), numbers(FEW)), min_size=1, max_size=12))
def test_a_listener_knows_who_is_there_as_soon_as_the_bounds_allow(rounds: list[tuple[set[int], set[int]]]) -> None:
    gossip, known, now, most = Gossip(), set[Endpoint](), 0.0, FEW
    for everybody, parted in [*rounds, *[(rounds[-1][0], set())] * 6]:
        most = max(most, len(everybody))
        message = gossip.next_message(present(*everybody), present(*parted - everybody), LISTENER, now)
        if message is not None:
            assert not known & message.added.keys(), "told twice"
            assert known >= set(message.dropped), "dropped, and never told"
            assert max(len(message.added), len(message.dropped)) <= MOST_CONTACTS
            known = (known | message.added.keys()) - set(message.dropped)
        assert len(known) <= most
        now += GOSSIP_EVERY
    assert known == present(*everybody).keys()
    assert gossip.next_message(present(*everybody), {}, LISTENER, now) is None


def test_the_next_message_is_a_minute_away_but_silence_uses_up_no_minute() -> None:
    gossip = Gossip()
    assert gossip.next_message({}, {}, LISTENER, 0) is None
    assert gossip.is_due(1)
    assert gossip.next_message(present(1), {}, LISTENER, 1)
    assert not gossip.is_due(60.9)
    assert gossip.is_due(61)


def test_who_came_and_went_within_the_minute_is_not_mentioned() -> None:
    gossip = Gossip()
    assert gossip.next_message(present(1), {}, LISTENER, 0)
    assert gossip.next_message(present(1), {}, LISTENER, 60) is None


def test_nobody_is_told_of_itself() -> None:
    assert Gossip().next_message({LISTENER: PLAIN}, {LISTENER: PLAIN}, LISTENER, 0) is None


@pytest.mark.parametrize(
    ("listener", "told"),
    [
        (LISTENER, {"93.185.0.1"}),
        (Endpoint("192.168.1.9", 1), {"93.185.0.1", "192.168.1.7"}),
        (Endpoint("127.0.0.1", 1), {"93.185.0.1", "127.0.0.1"}),
    ],
)
def test_what_a_listener_could_not_reach_is_none_of_its_business(listener: Endpoint, told: set[str]) -> None:
    everybody = {Endpoint(ip, 7): PLAIN for ip in ("93.185.0.1", "192.168.1.7", "127.0.0.1")}
    message = Gossip().next_message(everybody, everybody, listener, 0)
    assert message is not None
    assert {contact.ip for contact in message.added} == told


def test_who_was_parted_with_fills_a_short_list_is_dropped_next_and_told_once() -> None:
    gossip, parted = Gossip(), present(*range(100, 130))
    first = gossip.next_message(present(*range(20)), parted, LISTENER, 0)
    assert first is not None
    assert list(first.added) == [host(n) for n in (*range(20), *range(100, 105))]
    second = gossip.next_message(present(*range(24)), parted, LISTENER, 60)
    assert second is not None
    assert list(second.added) == [host(n) for n in (*range(20, 24), 105)]
    assert set(second.dropped) == present(*range(100, 105)).keys()
    third = gossip.next_message(present(*range(25)), parted, LISTENER, 120)
    assert third is not None
    assert list(third.added) == [host(24)], "many are present"


def test_who_comes_back_after_parting_is_not_told_twice() -> None:
    gossip = Gossip()
    assert gossip.next_message({}, present(1), LISTENER, 0)
    assert gossip.next_message(present(1), {}, LISTENER, 60) is None


def test_a_peer_is_listened_to_once_a_minute_after_a_few_words_at_once() -> None:
    gossip = Gossip()
    assert sum(gossip.may_hear(0) for _ in range(1000)) == BURST
    assert sum(gossip.may_hear(second) for second in range(1, 601)) == 10
