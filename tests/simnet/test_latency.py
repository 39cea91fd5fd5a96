"""Latency as a function of two addresses."""

from __future__ import annotations

from itertools import combinations
from statistics import median

from magnetite.simnet.latency import constant, coordinates

IPS = [f"10.0.{index // 250}.{index % 250}" for index in range(300)]


def test_a_constant_latency_is_the_same_everywhere() -> None:
    assert constant(0.03)("10.0.0.1", "10.0.0.2") == 0.03


def test_a_hosts_place_depends_on_seed_and_address_and_not_on_who_asked_first() -> None:
    one, other = coordinates(1), coordinates(1)
    pairs = list(combinations(IPS[:20], 2))
    assert [one(*pair) for pair in pairs] == [other(*pair) for pair in reversed(pairs)][::-1]
    assert one(*pairs[0]) != coordinates(2)(*pairs[0])


def test_latencies_are_symmetric_and_look_like_the_internets() -> None:
    latency = coordinates(1)
    all_of_them = sorted(latency(*pair) for pair in combinations(IPS, 2))
    assert all(latency(a, b) == latency(b, a) for a, b in combinations(IPS[:20], 2))
    assert 0.03 < median(all_of_them) < 0.1
    assert all_of_them[0] > 0.001
    assert all_of_them[int(len(all_of_them) * 0.99)] < 0.4
