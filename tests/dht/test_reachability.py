"""Whether strangers can reach us."""

from __future__ import annotations

from magnetite.dht.reachability import (
    CYCLE,
    MAX_PINHOLES,
    PINHOLE,
    PROOF_LIFETIME,
    TRIAL,
    TRIAL_AFTER,
    Reachability,
)
from magnetite.endpoint import Endpoint

ANYWHERE, BOUND = Endpoint("0.0.0.0", 6881), Endpoint("9.9.9.9", 6881)
STRANGER = Endpoint("1.2.3.4", 5)


def test_a_node_bound_to_any_address_is_read_only_until_a_stranger_asks() -> None:
    reachability = Reachability(ANYWHERE, now=0)
    assert reachability.is_read_only(0)
    reachability.on_query(STRANGER, now=1)
    assert not reachability.is_read_only(1)


def test_a_query_through_the_hole_our_own_datagram_made_proves_nothing() -> None:
    reachability = Reachability(ANYWHERE, now=0)
    reachability.on_sent(STRANGER, now=1)
    reachability.on_query(STRANGER, now=2)
    assert reachability.is_read_only(2)
    reachability.on_query(STRANGER, now=1 + PINHOLE)
    assert not reachability.is_read_only(1 + PINHOLE)


def test_our_own_ping_from_outside_is_proof() -> None:
    reachability = Reachability(ANYWHERE, now=0)
    reachability.on_own_ping(now=5)
    assert not reachability.is_read_only(5)


def test_proof_is_good_for_an_hour() -> None:
    reachability = Reachability(ANYWHERE, now=0)
    reachability.on_query(STRANGER, now=0)
    assert not reachability.is_read_only(PROOF_LIFETIME - 1)
    assert reachability.is_read_only(PROOF_LIFETIME)


def test_without_proof_there_is_a_trial_each_hour() -> None:
    reachability = Reachability(ANYWHERE, now=0)
    for cycle in (0, CYCLE):
        assert reachability.is_read_only(cycle + TRIAL_AFTER - 1)
        assert not reachability.is_read_only(cycle + TRIAL_AFTER)
        assert reachability.is_read_only(cycle + TRIAL_AFTER + TRIAL)


def test_a_socket_bound_to_its_address_needs_no_proof_unless_others_see_another() -> None:
    reachability = Reachability(BOUND, now=0)
    assert not reachability.is_read_only(0)
    reachability.on_external(BOUND)
    assert not reachability.is_read_only(1)
    reachability.on_external(Endpoint("8.8.8.8", 6881))
    assert reachability.is_read_only(1)


def test_the_user_has_the_last_word() -> None:
    always, never = Reachability(BOUND, now=0, forced=True), Reachability(ANYWHERE, now=0, forced=False)
    always.on_query(STRANGER, now=1)
    assert always.is_read_only(1)
    assert not never.is_read_only(1)


def test_whom_we_wrote_to_is_bounded() -> None:
    reachability = Reachability(ANYWHERE, now=0)
    for number in range(2 * MAX_PINHOLES):
        reachability.on_sent(Endpoint("1.2.3.4", number), now=1)
    assert len(reachability._invited) == MAX_PINHOLES
