from __future__ import annotations

from magnetite.swarm.own_address import own_addresses

US, US6, LIE = "93.184.216.34", "2001:db9::7", "198.41.0.4"


def test_most_addresses_decide_for_each_family() -> None:
    votes = [("1.1.1.1", US), ("2.2.2.2", US), ("3.3.3.3", LIE), ("4.4.4.4", US6), ("5.5.5.5", US6)]
    assert own_addresses(votes) == [US, US6]


def test_one_address_is_a_hint_and_no_more_however_often_it_votes() -> None:
    assert own_addresses([("1.1.1.1", LIE)] * 50) == []


def test_an_address_that_reaches_nowhere_is_not_ours() -> None:
    assert own_addresses([(f"1.1.1.{n}", "0.0.0.0") for n in range(9)] + [("2.2.2.2", "text")]) == []
