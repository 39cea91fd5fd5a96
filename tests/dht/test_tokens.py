"""What must be shown to store something here."""

from __future__ import annotations

from random import Random

from magnetite.dht.tokens import ROTATION, Tokens
from magnetite.endpoint import Endpoint
from magnetite.ids import InfoHash

HASH = InfoHash(7)
A, B = Endpoint("1.2.3.4", 5), Endpoint("1.2.3.5", 5)


def test_a_token_is_good_for_its_address_and_target_for_five_to_ten_minutes(rng: Random) -> None:
    tokens = Tokens(rng, now=0)
    token = tokens.issue(A.ip, HASH, now=1)
    assert tokens.is_valid(token, A.ip, HASH, now=1)
    assert not tokens.is_valid(token, B.ip, HASH, now=1)
    assert not tokens.is_valid(token, A.ip, InfoHash(8), now=1)
    assert not tokens.is_valid(b"", A.ip, HASH, now=1)
    assert tokens.is_valid(token, A.ip, HASH, now=ROTATION + 1)
    assert not tokens.is_valid(token, A.ip, HASH, now=2 * ROTATION + 2)


def test_a_token_is_not_good_after_a_long_silence(rng: Random) -> None:
    tokens = Tokens(rng, now=0)
    token = tokens.issue(A.ip, HASH, now=0)
    assert not tokens.is_valid(token, A.ip, HASH, now=10 * ROTATION)
