from __future__ import annotations

import numpy as np
import pytest

from magnetite.dht.contact import K
from magnetite.study.population import AROUND, NOBODY, Ids, Population, log_normal, shared_bits, uniform

SPACE = 2**64


def population(count: int, seed: int = 1, dead: float = 0.0, buckets: tuple[int, ...] = ()) -> Population:
    return Population(count, np.random.default_rng(seed), dead=dead, buckets=buckets)


def random_ids(count: int, seed: int = 7) -> Ids:
    return np.random.default_rng(seed).integers(0, SPACE, count, dtype=np.uint64)


def named(nodes: Ids, targets: Ids, among: Population) -> Ids:
    return among.named(nodes, targets, among.around(targets))


def test_the_bits_two_ids_share_are_the_leading_zeros_of_their_distance() -> None:
    distances = [0, 1, 2, 3, 2**63 - 1, 2**63, 2**64 - 2048]
    shared = [64 - distance.bit_length() for distance in distances]
    assert shared_bits(np.array(distances, dtype=np.uint64)).tolist() == shared


def test_a_span_is_where_brute_force_finds_the_prefix() -> None:
    among, targets = population(1_000), random_ids(50)
    for depth in (0, 1, 3, 8, 63, 64):
        low, high = among.span(targets, np.full(len(targets), depth))
        for target, first, last in zip(targets, low, high, strict=True):
            same = [int(each) >> 64 - depth == int(target) >> 64 - depth for each in among.ids]
            assert [first, last] == ([same.index(True), same.index(True) + sum(same)] if any(same) else [first, first])


@pytest.mark.parametrize("count", [20, 1_000])
def test_around_a_target_are_the_closest_nodes(count: int) -> None:
    among, targets = population(count), random_ids(100)
    expected = np.sort(among.ids ^ targets[:, None], axis=1)[:, : min(count, AROUND)]
    assert (among.around(targets)[:, : min(count, AROUND)] == expected).all()
    assert (among.around(targets)[:, count:] == NOBODY).all()


def test_a_node_names_k_different_nodes_of_the_population_never_itself_and_the_same_each_time() -> None:
    among, targets = population(5_000), random_ids(400)
    nodes = among.ids[:: len(among) // 400][:400]
    answer = named(nodes, targets, among)
    assert answer.shape == (400, K)
    assert (np.diff(answer.astype(np.float64)) > 0).all()
    assert np.isin(answer ^ targets[:, None], among.ids).all()
    assert not (answer == (nodes ^ targets)[:, None]).any()
    assert (answer == named(nodes, targets, among)).all()


def test_two_targets_in_one_bucket_hear_of_the_same_nodes() -> None:
    among = population(100_000)
    node = among.ids[:1]
    target = node ^ np.uint64(1 << 63)  # the other half of the id space
    other = target ^ np.uint64(1 << 40)
    assert set(named(node, target, among)[0] ^ target) == set(named(node, other, among)[0] ^ other)


def test_what_a_node_names_is_closer_to_the_target_than_itself_as_long_as_there_are_k_such_nodes() -> None:
    among, targets = population(50_000), random_ids(1_000)
    nodes = among.ids[:1_000]
    answer = named(nodes, targets, among)
    _, rank = np.nonzero(np.sort(among.around(targets), axis=1) == (nodes ^ targets)[:, None])
    assert len(rank) == 0  # far ones were asked
    assert (answer < (nodes ^ targets)[:, None]).all()


def test_larger_buckets_name_closer_nodes_by_as_many_bits() -> None:
    targets = random_ids(4_000)
    small, large = population(200_000), population(200_000, buckets=(128, 64, 32, 16))
    nodes = targets ^ np.uint64(1 << 63)  # all of them answer from their largest bucket
    gained = np.log2(named(nodes, targets, small)[:, 0]) - np.log2(named(nodes, targets, large)[:, 0])
    assert gained.mean() == pytest.approx(4, abs=0.1)


def test_the_closest_know_nearly_their_whole_neighbourhood() -> None:
    among, targets = population(2_000), random_ids(300)
    around = among.around(targets)
    nodes = around[:, 0] ^ targets
    recall = [len(set(a) & set(b)) for a, b in zip(named(nodes, targets, among), around[:, 1 : K + 1], strict=True)]
    assert np.mean(recall) > 0.97 * K


@pytest.mark.parametrize("count", [1, K, 40])
def test_a_dht_with_few_nodes_has_few_to_name(count: int) -> None:
    among, targets = population(count), random_ids(50)
    answer = named(np.resize(among.ids, 50), targets, among)
    assert ((answer != NOBODY).sum(axis=1) <= count - 1).all()
    assert (among.start(random_ids(50, 8), targets, 32) != NOBODY).all()


def test_a_table_starts_a_lookup_as_near_as_its_largest_bucket_reaches() -> None:
    among, targets = population(100_000), random_ids(4_000)
    far = targets ^ np.uint64(1 << 63)
    start = among.start(far, targets, 32)
    assert (start < 2.0**64 / 8).all()  # 32 of the 128 contacts in the half: a quarter of it
    alone = among.start(far, targets, K, buckets=())
    assert np.log2(alone[:, 0] / start[:, 0]).mean() == pytest.approx(4, abs=0.15)


def test_the_dead_are_the_fraction_asked_for_and_always_the_same() -> None:
    among = population(100_000, dead=0.3)
    dead = among.is_dead(among.ids)
    assert dead.mean() == pytest.approx(0.3, abs=0.01)
    assert (dead == among.is_dead(among.ids)).all()


def test_round_trips_have_the_median_and_the_tail_they_should() -> None:
    round_trips = population(100_000).round_trips(random_ids(200_000))
    assert np.median(round_trips) == pytest.approx(0.120, rel=0.02)
    assert np.quantile(round_trips, 0.9) == pytest.approx(0.400, rel=0.03)


def test_drawn_numbers_are_even_and_independent_of_near_values() -> None:
    drawn = uniform(np.arange(100_000, dtype=np.uint64))
    assert 0 <= drawn.min() <= drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.02
    assert np.log(log_normal(np.arange(100_000, dtype=np.uint64), 2.0, 0.5)).std() == pytest.approx(0.5, rel=0.02)
