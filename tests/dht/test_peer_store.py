"""Peers kept for others: who is in, who is handed on, and what it costs."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.dht import peer_store
from magnetite.dht.bloom import BloomFilter
from magnetite.dht.contact import Family
from magnetite.dht.peer_list import EXPIRY, MAX_PEERS, SWEEP
from magnetite.dht.peer_store import EARLY, MAX_ANSWER, MAX_INFO_HASHES, MAX_SAMPLES, SAMPLE_INTERVAL, PeerStore
from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.ids import InfoHash

HASH = InfoHash(7)
A, B = Endpoint("1.2.3.4", 5), Endpoint("1.2.3.5", 5)
SIX = Endpoint("2001:4860::1", 5)
MIB = 1 << 20


@pytest.fixture
def store(rng: Random) -> PeerStore:
    return PeerStore(rng, now=0)


def many(count: int) -> Iterator[Endpoint]:
    return (Endpoint(f"1.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1) for n in range(count))


def sample(store: PeerStore, count: int = 1000, now: float = 0, *, no_seed: bool = False) -> set[Endpoint]:
    return set(map(decode_endpoint, store.sample(HASH, Family.IPV4, count, now, no_seed=no_seed)))


# -- who is in ---------------------------------------------------------------------------------------------------------


def test_a_peer_is_stored_once_and_forgotten_when_it_announces_no_more(store: PeerStore) -> None:
    assert store.add(HASH, A, now=0)
    assert store.add(HASH, A, now=1000)
    assert store.peers == 1
    assert sample(store, now=1000 + EXPIRY - 1) == {A}
    assert sample(store, now=1000 + EXPIRY + 1) == set()


def test_a_public_address_has_one_peer_of_a_torrent_and_private_ones_may_have_several(store: PeerStore) -> None:
    store.add(HASH, A, now=0)
    store.add(HASH, Endpoint(A.ip, 7), now=0)
    assert sample(store) == {Endpoint(A.ip, 7)}
    private = {Endpoint("10.0.0.1", 5), Endpoint("10.0.0.1", 6)}
    for peer in private:
        store.add(HASH, peer, now=0)
    assert sample(store) == {Endpoint(A.ip, 7), *private}


def test_families_are_kept_apart(store: PeerStore) -> None:
    store.add(HASH, A, now=0)
    store.add(HASH, SIX, now=0)
    assert store.sample(HASH, Family.IPV4, 10, now=0) == [A.compact()]
    assert store.sample(HASH, Family.IPV6, 10, now=0) == [SIX.compact()]


@given(
    st.lists(st.tuples(st.binary(min_size=6, max_size=6), st.integers(0, 5000), st.booleans()), max_size=60),
    st.integers(0, 3),
)
def test_the_packed_list_equals_a_dictionary(announces: list[tuple[bytes, int, bool]], low_entropy: int) -> None:
    store, model, now = PeerStore(Random(1), now=0), dict[object, tuple[Endpoint, int, bool]](), 0
    for compact, wait, is_seed in announces:
        # matches across two records must not confuse it
        peer = decode_endpoint(bytes(byte & low_entropy for byte in compact))
        now += wait
        store.add(HASH, peer, now, is_seed=is_seed)
        model[peer.owner] = peer, now, is_seed
    living = {peer for peer, heard, _ in model.values() if now - heard <= EXPIRY}
    leeches = {peer for peer, heard, is_seed in model.values() if now - heard <= EXPIRY and not is_seed}
    assert sample(store, now=now) == living
    assert sample(store, now=now, no_seed=True) == leeches


def test_who_announced_97_days_ago_is_not_taken_for_fresh(store: PeerStore) -> None:
    around = float(1 << 23)  # seconds, after which stamps repeat
    store.add(HASH, A, now=0)
    assert sample(store, now=around) == set()
    store.add(HASH, A, now=around)
    for step in range(int(around), int(2 * around), int(EXPIRY)):
        store.add(HASH, B, now=step)
    assert sample(store, now=2 * around) == {B}


# -- who is handed on --------------------------------------------------------------------------------------------------


def test_an_answer_is_bounded_and_everybody_is_in_some(store: PeerStore) -> None:
    for peer in many(MAX_PEERS):
        store.add(HASH, peer, now=0)
    answers = [sample(store) for _ in range(100)]
    assert {len(answer) for answer in answers} == {MAX_ANSWER}
    assert len(set().union(*answers)) == MAX_PEERS


def test_an_answer_without_seeds_is_filled_with_others(store: PeerStore) -> None:
    for number, peer in enumerate(many(100)):
        store.add(HASH, peer, now=0, is_seed=number >= 10)
    assert sample(store, 10, no_seed=True) == set(many(10))
    assert len(sample(store, 50)) == 50


def test_a_peer_that_has_become_a_seed_is_one(store: PeerStore) -> None:
    store.add(HASH, A, now=0)
    store.add(HASH, A, now=1, is_seed=True)
    assert sample(store, no_seed=True) == set()


def test_a_scrape_holds_all_seeds_and_all_others(store: PeerStore) -> None:
    seeds, peers = BloomFilter(), BloomFilter()
    for number, peer in enumerate(many(300)):
        store.add(HASH, peer, now=0, is_seed=number % 3 == 0)
        (peers if number % 3 else seeds).add(peer.ip)
    scrape = store.scrape(HASH, Family.IPV4, now=0)
    assert scrape is not None
    assert (scrape.seeds, scrape.peers) == (seeds, peers)
    assert store.scrape(HASH, Family.IPV6, now=0) is None
    assert store.scrape(HASH, Family.IPV4, now=EXPIRY + SWEEP + 1) is None


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_a_full_list_takes_nobody_new_until_somebody_has_gone(store: PeerStore) -> None:
    for peer in many(MAX_PEERS):
        assert store.add(HASH, peer, now=0)
    newcomer = Endpoint("9.9.9.9", 9)
    assert not store.add(HASH, newcomer, now=1000)
    assert not store.invites(HASH, newcomer, Family.IPV4, now=1000)
    assert store.add(HASH, next(many(1)), now=1000)
    assert store.add(HASH, newcomer, now=EXPIRY + 1)
    assert store.peers == 2


def test_a_full_store_refuses_new_info_hashes_until_old_ones_expire(
    store: PeerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_store, "MAX_INFO_HASHES", 3)
    for number in range(3):
        assert store.add(InfoHash(number), A, now=0)
    assert not store.invites(HASH, A, Family.IPV4, now=100)
    assert not store.add(HASH, A, now=100)
    assert store.add(InfoHash(0), B, now=100)
    assert store.add(HASH, A, now=EXPIRY + 50)
    assert store.info_hashes == 2


@pytest.mark.parametrize(("fullness", "expected"), [(0.5, 1.0), (EARLY, 1.0), (0.875, 0.5), (0.95, 0.2), (1.0, 0.0)])
def test_the_fuller_the_list_the_fewer_newcomers_are_invited(
    store: PeerStore, fullness: float, expected: float
) -> None:
    members = list(many(int(fullness * MAX_PEERS)))
    for peer in members:
        store.add(HASH, peer, now=0)
    invited = sum(store.invites(HASH, Endpoint("9.9.9.9", 9), Family.IPV4, now=0) for _ in range(2_000)) / 2_000
    assert invited == pytest.approx(expected, abs=0.04)
    assert all(store.invites(HASH, Endpoint(peer.ip, 77), Family.IPV4, now=0) for peer in members)


@pytest.mark.parametrize(("fullness", "expected"), [(0.5, 1.0), (0.875, 0.5), (1.0, 0.0)])
def test_the_fuller_the_store_the_fewer_new_info_hashes_are_invited(
    store: PeerStore, fullness: float, expected: float
) -> None:
    for number in range(int(fullness * MAX_INFO_HASHES)):
        store.add(InfoHash(number), A, now=0)
    invited = sum(store.invites(InfoHash(1 << 100), B, Family.IPV4, now=0) for _ in range(2_000)) / 2_000
    assert invited == pytest.approx(expected, abs=0.04)
    assert store.invites(InfoHash(0), B, Family.IPV4, now=0)


# -- samples of info-hashes --------------------------------------------------------------------------------------------


def test_while_all_info_hashes_fit_all_are_told_at_once(store: PeerStore) -> None:
    assert store.sample_info_hashes(now=0).num == 0
    store.add(InfoHash(1), A, now=0)
    store.add(InfoHash(1), SIX, now=0)
    store.add(InfoHash(2), SIX, now=0)
    samples = store.sample_info_hashes(now=0)
    assert set(samples.info_hashes) == {1, 2}
    assert (samples.num, samples.interval) == (2, SAMPLE_INTERVAL)


def test_of_many_info_hashes_the_same_ones_are_told_for_an_interval(store: PeerStore) -> None:
    for number in range(1000):
        store.add(InfoHash(number), A, now=0)
    first = store.sample_info_hashes(now=0)
    store.add(InfoHash(1000), A, now=1)
    assert store.sample_info_hashes(now=SAMPLE_INTERVAL - 1) is first
    later = store.sample_info_hashes(now=SAMPLE_INTERVAL)
    assert first.num == 1000
    assert later.num == 1001
    assert len(set(later.info_hashes)) == MAX_SAMPLES
    assert set(first.info_hashes) != set(later.info_hashes)


def test_expired_info_hashes_are_not_told(store: PeerStore) -> None:
    store.add(HASH, A, now=0)
    assert store.sample_info_hashes(now=0).num == 1
    assert store.sample_info_hashes(now=EXPIRY + 1).num == 0


# -- memory ------------------------------------------------------------------------------------------------------------


def fill(store: PeerStore, info_hashes: int, peers_each: int) -> None:
    rng = Random(2)
    for _ in range(info_hashes):
        info_hash = InfoHash(rng.getrandbits(160))
        for number in range(peers_each):
            assert store.add(info_hash, Endpoint(f"1.2.{number >> 8}.{number & 255}", 6881), now=0)


@pytest.mark.parametrize(("info_hashes", "peers_each"), [(2_000, 50), (1_000, 100)])
def test_a_hundred_thousand_peers_take_less_than_5_mib(store: PeerStore, info_hashes: int, peers_each: int) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        fill(store, info_hashes, peers_each)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert store.peers == 100_000
    assert after - before < 5 * MIB


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_a_hundred_thousand_peers_do_not_show_in_the_resident_memory() -> None:
    program = """
import gc
from random import Random
from magnetite.dht.peer_store import PeerStore
from tests.dht.test_peer_store import fill

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096

store = PeerStore(Random(1), 0)
before = resident()
fill(store, 2_000, 50)
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 5 * MIB
