from __future__ import annotations

import pytest

from magnetite.errors import Reason
from magnetite.swarm.approach import STAGGER, TRUST, Approach, may_be_the_way
from magnetite.ways import Carrier, Way
from magnetite.wire.mse.policy import Encryption

BOTH = (Carrier.TCP, Carrier.UTP)


@pytest.mark.parametrize(
    ("policy", "forms"),
    [
        (Encryption.OFF, (False,)),
        (Encryption.ALLOW, (False, True)),
        (Encryption.PREFER, (True, False)),
        (Encryption.REQUIRE, (True,)),
    ],
)
def test_a_policy_says_whether_to_begin_plainly(policy: Encryption, forms: tuple[bool, ...]) -> None:
    approach = Approach(policy, BOTH, None)
    assert (approach.forms, approach.carriers, approach.stagger) == (forms, BOTH, STAGGER)


def test_the_way_that_led_there_before_is_the_first() -> None:
    approach = Approach(Encryption.ALLOW, BOTH, Way(Carrier.UTP, True))
    assert approach.forms == (True, False)
    assert approach.carriers == (Carrier.UTP, Carrier.TCP)
    assert approach.stagger == TRUST


@pytest.mark.parametrize(
    ("policy", "carriers", "known"),
    [
        (Encryption.OFF, BOTH, Way(Carrier.UTP, True)),
        (Encryption.REQUIRE, BOTH, Way(Carrier.TCP, False)),
        (Encryption.ALLOW, (Carrier.TCP,), Way(Carrier.UTP, False)),
    ],
)
def test_a_way_that_is_not_open_any_more_is_not_gone(
    policy: Encryption, carriers: tuple[Carrier, ...], known: Way
) -> None:
    approach = Approach(policy, carriers, known)
    assert (approach.forms, approach.carriers) == (policy.forms, carriers)


def test_what_is_ruled_out_does_not_come_back() -> None:
    approach = Approach(Encryption.ALLOW, BOTH, None)
    approach.rule_out(Carrier.TCP)
    assert approach.carriers == (Carrier.UTP,)
    approach.rule_out(Carrier.TCP)
    approach.rule_out(Carrier.UTP)
    assert approach.carriers == ()


def test_there_is_a_choice_of_forms_or_of_carriers_or_none() -> None:
    assert Approach(Encryption.ALLOW, (Carrier.TCP,), None).has_choice
    assert Approach(Encryption.OFF, BOTH, None).has_choice
    assert not Approach(Encryption.REQUIRE, (Carrier.TCP,), None).has_choice


def test_who_hangs_up_may_want_the_other_form_and_who_is_silent_has_had_its_time() -> None:
    assert may_be_the_way(Reason.CLOSED_BY_PEER)
    assert may_be_the_way(Reason.PROTOCOL_ERROR)
    assert not may_be_the_way(Reason.HANDSHAKE_TIMEOUT)
    assert not may_be_the_way(Reason.WRONG_INFO_HASH)
