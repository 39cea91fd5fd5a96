"""Latency as a function of two addresses."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from statistics import median

import pytest

from magnetite.errors import LocalProtocolError
from magnetite.simnet.latency import constant, coordinates, load_matrix, matrix, pairs

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


def test_each_pair_has_a_latency_of_its_own_that_looks_like_the_dhts() -> None:
    latency = pairs(1)
    round_trips = sorted(2 * latency(*pair) for pair in combinations(IPS, 2))
    assert all(latency(a, b) == latency(b, a) for a, b in combinations(IPS[:20], 2))
    assert median(round_trips) == pytest.approx(0.120, rel=0.05)
    assert round_trips[int(len(round_trips) * 0.9)] == pytest.approx(0.400, rel=0.05)
    assert latency(*IPS[:2]) != pairs(2)(*IPS[:2])


def test_a_matrix_gives_every_host_one_of_its_places() -> None:
    rows = [[0.0, 0.1, 0.2], [0.3, 0.0, 0.4], [0.5, 0.6, 0.0]]
    latency = matrix(rows, seed=1)
    assert {latency(a, b) for a in IPS[:40] for b in IPS[:40]} == {each for row in rows for each in row}
    assert latency(*IPS[:2]) == matrix(rows, seed=1)(*IPS[:2])
    assert any(latency(a, b) != matrix(rows, seed=2)(a, b) for a, b in combinations(IPS[:20], 2))


def test_a_file_of_round_trips_is_read_with_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "king.txt"
    path.write_text("0 100\n\n 50, 0\n")
    latency = load_matrix(path, seed=1, unit=0.0005)
    assert {latency(a, b) for a in IPS[:40] for b in IPS[:40]} == {0.0, 0.05, 0.025}


@pytest.mark.parametrize("text", ["", "1 2\n3", "1 x\n2 3", "1 -2\n3 4", "1 nan\n3 4", "1 inf\n3 4", "\udcff"])
def test_a_file_that_is_no_matrix_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(LocalProtocolError):
        load_matrix(path, seed=1)
    with pytest.raises(LocalProtocolError):
        load_matrix(tmp_path / "none.txt", seed=1)
