from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.ids import InfoHash
from magnetite.wire.allowed_fast import allowed_fast_set

INFO_HASH = InfoHash.decode(b"\xaa" * 20)
BEP_6 = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]


@pytest.mark.parametrize("k", [7, 9])
def test_the_sets_of_bep_6(k: int) -> None:
    assert allowed_fast_set("80.4.4.200", INFO_HASH, 1313, k) == BEP_6[:k]


def test_a_neighbourhood_shares_one_set() -> None:
    assert allowed_fast_set("80.4.4.7", INFO_HASH, 1313, 9) == BEP_6
    assert allowed_fast_set("80.4.5.200", INFO_HASH, 1313, 9) != BEP_6


@given(st.ip_addresses(v=4).map(str), st.integers(0, 60), st.integers(0, 20))
def test_a_set_is_k_different_pieces_or_all_there_are(ip: str, count: int, k: int) -> None:
    pieces = allowed_fast_set(ip, INFO_HASH, count, k)
    assert len(set(pieces)) == len(pieces) == min(k, count)
    assert set(pieces) <= set(range(count))


def test_ipv6_has_no_allowed_fast_set() -> None:
    assert allowed_fast_set("2001:db8::1", INFO_HASH, 1313) == []
