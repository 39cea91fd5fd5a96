from __future__ import annotations

import pytest

from magnetite.wire.mse.policy import Encryption, Method

BOTH = Method.PLAINTEXT | Method.RC4


@pytest.mark.parametrize(
    ("policy", "offered", "selected"),
    [
        (Encryption.OFF, BOTH, None),
        (Encryption.ALLOW, BOTH, Method.PLAINTEXT),
        (Encryption.ALLOW, Method.RC4, Method.RC4),
        (Encryption.PREFER, BOTH, Method.RC4),
        (Encryption.PREFER, Method.PLAINTEXT, Method.PLAINTEXT),
        (Encryption.REQUIRE, BOTH, Method.RC4),
        (Encryption.REQUIRE, Method.PLAINTEXT, None),
        (Encryption.ALLOW, 0, None),
        (Encryption.PREFER, 0x104, None),
    ],
)
def test_what_is_chosen_of_an_offer(policy: Encryption, offered: int, selected: Method | None) -> None:
    assert policy.select(offered) is selected


def test_a_policy_offers_what_it_accepts_and_dials_as_it_lets_in() -> None:
    for policy in Encryption:
        assert (True in policy.forms) == bool(policy.accepted)
        assert policy.accepted & policy.offered == policy.offered
        assert (False in policy.forms) == policy.is_plain_allowed
