"""What our own address is, as others tell it."""

from __future__ import annotations

from magnetite.dht.external_address import QUORUM, VOTERS, ExternalAddress
from magnetite.endpoint import Endpoint

OURS, NEW, LIE = Endpoint("9.9.9.9", 6881), Endpoint("9.9.9.8", 6881), Endpoint("6.6.6.6", 6881)


def voter(number: int) -> Endpoint:
    return Endpoint(f"1.{number}.0.1", 6881)


def test_a_few_are_not_enough() -> None:
    address = ExternalAddress()
    for number in range(QUORUM):
        assert address.agreed is None
        address.vote(voter(number), OURS)
    assert address.agreed == OURS


def test_the_hosts_of_one_subnet_have_one_vote() -> None:
    address = ExternalAddress()
    for number in range(100):
        address.vote(Endpoint(f"1.2.3.{number}", 6881), LIE)
    assert address.agreed is None


def test_a_third_of_liars_changes_nothing_and_more_leave_it_open() -> None:
    address = ExternalAddress()
    for number in range(VOTERS):
        address.vote(voter(number), LIE if number % 3 == 0 else OURS)
    assert address.agreed == OURS
    address.vote(voter(1), LIE)
    assert address.agreed is None


def test_a_new_address_is_believed_once_most_of_the_latest_see_it() -> None:
    address = ExternalAddress()
    for number in range(VOTERS):
        address.vote(voter(number), OURS)
    for number in range(VOTERS):
        address.vote(voter(number + 100), NEW)
    assert address.agreed == NEW


def test_of_the_ports_a_router_shows_the_most_common_counts() -> None:
    address = ExternalAddress()
    for number in range(QUORUM):
        address.vote(voter(number), Endpoint(OURS.ip, 6881 if number % 3 else 7000 + number))
    assert address.agreed == OURS


def test_after_an_outage_the_votes_begin_anew() -> None:
    address = ExternalAddress()
    for number in range(VOTERS):
        address.vote(voter(number), OURS)
    address.forget()
    assert address.agreed is None


def test_the_first_word_against_what_is_agreed_makes_it_disputed() -> None:
    address = ExternalAddress()
    assert not address.is_disputed
    for number in range(QUORUM):
        address.vote(voter(number), OURS)
    assert not address.is_disputed
    address.vote(voter(99), NEW)
    assert address.is_disputed
    address.vote(voter(98), OURS)
    assert not address.is_disputed
    for number in range(VOTERS // 2):
        address.vote(voter(number + 50), NEW)
    assert address.agreed is None
    assert address.is_disputed
