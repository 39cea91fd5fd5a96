from __future__ import annotations

from hashlib import sha1
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetite.errors import Reason
from magnetite.ids import InfoHash
from magnetite.swarm.metadata import (
    COPIES,
    DEPTH,
    MAX_METADATA,
    MOST_SIZES,
    PEER_TIMEOUT,
    RETRY_AFTER,
    MetadataFetch,
    Outcome,
)
from magnetite.wire.extensions import METADATA_BLOCK
from tests.torrent.samples import content

METADATA = content(3 * METADATA_BLOCK + 1000)
LENGTH = len(METADATA)


def fetch_of(metadata: bytes = METADATA) -> MetadataFetch[str]:
    return MetadataFetch(InfoHash.decode(sha1(metadata).digest()))


def block_of(block: int, metadata: bytes = METADATA) -> bytes:
    return metadata[block * METADATA_BLOCK : (block + 1) * METADATA_BLOCK]


def serve(fetch: MetadataFetch[str], peer: str, blocks: list[int], metadata: bytes = METADATA) -> list[Outcome[str]]:
    return [fetch.on_data(peer, block, len(metadata), block_of(block, metadata)) for block in blocks]


# -- one honest peer is enough, whoever else is there ----------------------------------------------------------------

KINDS = ["honest", "lying size", "corrupting", "wrong total", "short", "silent", "rejecting", "vanishing"]


class Remote:
    """One peer of a kind: what it answers to a request for a block."""

    def __init__(self, name: str, kind: str, rng: Random) -> None:
        self.name, self.kind, self.rng = name, kind, rng
        self.inbox: list[int] = []
        self.metadata = METADATA
        if kind == "lying size":
            self.metadata = rng.randbytes(rng.choice([10, LENGTH - 1, LENGTH + 1, 2 * LENGTH]))

    def answer(self, fetch: MetadataFetch[str], block: int) -> Outcome[str]:
        data, total = block_of(block, self.metadata), len(self.metadata)
        match self.kind:
            case "silent":
                return Outcome()
            case "rejecting":
                return fetch.on_reject(self.name, block)
            case "corrupting" if self.rng.random() < 0.5:
                data = bytes(len(data))
            case "wrong total":
                total += 1
            case "short":
                data = data[:-1]
            case "vanishing" if self.rng.random() < 0.5:
                fetch.on_gone(self.name)
                return Outcome()
        return fetch.on_data(self.name, block, total, data)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 20)), max_size=8),
    st.lists(st.integers(0, 20), min_size=1, max_size=3),
    st.integers(0, 1 << 32),
)
def test_one_honest_peer_is_enough_and_is_never_sent_away(others, honest, seed):
    rng, fetch = Random(seed), fetch_of()
    waiting = [("honest", when) for when in honest] + others
    arrivals = [(when, Remote(f"{kind} {number}", kind, rng)) for number, (kind, when) in enumerate(waiting)]
    here: dict[str, Remote] = {}
    sent_away: list[tuple[str, Reason]] = []
    metadata = None
    for now in range(200):
        for when, remote in arrivals:
            if when == now:
                here[remote.name] = remote
                assert fetch.on_claim(remote.name, len(remote.metadata)) is None
        outcomes = [fetch.stalled(now)]
        for remote in list(here.values()):
            remote.inbox += fetch.next_requests(remote.name, now)
            assert remote.kind == "silent" or len(remote.inbox) <= DEPTH
        for remote in rng.sample(list(here.values()), k=len(here)):
            answered, remote.inbox = remote.inbox[:2], remote.inbox[2:]
            outcomes += [remote.answer(fetch, block) for block in answered]
        for outcome in outcomes:
            metadata = metadata or outcome.metadata
            sent_away += outcome.dismissed
        if metadata is not None:
            break
        for name, _ in sent_away:
            here.pop(name, None)
    assert metadata == METADATA
    assert not [name for name, reason in sent_away if name.startswith("honest")]
    innocent = ("vanishing", "silent", "rejecting")
    assert not [name for name, reason in sent_away if reason is Reason.METADATA_MISMATCH and name.startswith(innocent)]


# -- one rule at a time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [-1, 0, MAX_METADATA + 1])
def test_a_size_that_cannot_be_is_refused(length):
    fetch = fetch_of()
    assert fetch.on_claim("a", length) is Reason.METADATA_TOO_LARGE
    assert fetch.next_requests("a", 0) == []


def test_several_peers_share_the_work_and_none_is_asked_twice():
    fetch = fetch_of(content(8 * METADATA_BLOCK))
    for peer in "ab":
        fetch.on_claim(peer, 8 * METADATA_BLOCK)
    assert fetch.next_requests("a", 0) == [0, 1, 2, 3]
    assert fetch.next_requests("b", 0) == [4, 5, 6, 7]
    assert fetch.next_requests("a", 0) == []


def test_a_block_is_asked_of_a_few_at_once_and_of_more_when_they_are_slow():
    fetch = fetch_of(METADATA[:100])
    for peer in range(COPIES + 1):
        fetch.on_claim(str(peer), 100)
    assert [fetch.next_requests(str(peer), 0) for peer in range(COPIES + 1)] == [[0]] * COPIES + [[]]
    assert fetch.next_requests(str(COPIES), RETRY_AFTER) == [0]


def test_a_peer_is_asked_for_a_few_blocks_at_a_time():
    fetch, long = fetch_of(), content(20 * METADATA_BLOCK)
    fetch.on_claim("a", len(long))
    assert fetch.next_requests("a", 0) == [0, 1, 2, 3]
    serve(fetch, "a", [1], long)
    assert fetch.next_requests("a", 0) == [4]


def test_a_block_nobody_asked_for_means_nothing():
    fetch = fetch_of()
    fetch.on_claim("a", LENGTH)
    assert serve(fetch, "a", [0]) == serve(fetch, "stranger", [0]) == [Outcome()]
    assert fetch.on_reject("a", 0) == fetch.on_reject("stranger", 0) == Outcome()
    assert fetch.next_requests("a", 0) == [0, 1, 2, 3]


def test_the_first_size_a_peer_claims_stands():
    fetch = fetch_of()
    fetch.on_claim("a", LENGTH)
    assert fetch.on_claim("a", 10) is None
    assert serve(fetch, "a", fetch.next_requests("a", 0))[-1].metadata == METADATA


@pytest.mark.parametrize(("total", "size"), [(LENGTH + 1, METADATA_BLOCK), (LENGTH, METADATA_BLOCK - 1)])
def test_a_block_that_contradicts_the_claim_ends_it(total, size):
    fetch = fetch_of()
    fetch.on_claim("a", LENGTH)
    fetch.next_requests("a", 0)
    assert fetch.on_data("a", 0, total, bytes(size)).dismissed == (("a", Reason.METADATA_MISMATCH),)


def test_a_refusal_ends_it_and_its_blocks_are_free_for_others():
    fetch = fetch_of()
    fetch.on_claim("a", LENGTH)
    fetch.on_claim("b", LENGTH)
    fetch.next_requests("a", 0)
    assert fetch.on_reject("a", 2).dismissed == (("a", Reason.METADATA_REFUSED),)
    assert serve(fetch, "b", fetch.next_requests("b", 0))[-1].metadata == METADATA


def test_silence_ends_it_but_only_silence_to_a_question():
    fetch = fetch_of()
    fetch.on_claim("asked", LENGTH)
    fetch.on_claim("not asked", LENGTH)
    fetch.next_requests("asked", 0)
    assert fetch.stalled(PEER_TIMEOUT - 0.1) == Outcome()
    assert fetch.stalled(PEER_TIMEOUT).dismissed == (("asked", Reason.METADATA_TIMEOUT),)
    assert fetch.stalled(1e6) == Outcome()


def test_who_sent_all_of_a_wrong_metadata_is_the_liar_and_others_go_on():
    fetch = fetch_of()
    fetch.on_claim("liar", LENGTH)
    fetch.on_claim("honest", LENGTH)
    wrong = content(LENGTH, seed=1)
    outcomes = serve(fetch, "liar", fetch.next_requests("liar", 0), wrong)
    assert outcomes[-1].dismissed == (("liar", Reason.METADATA_MISMATCH),)
    assert serve(fetch, "honest", fetch.next_requests("honest", 0))[-1].metadata == METADATA


def test_after_a_wrong_assembly_of_several_each_proves_itself_alone():
    fetch = fetch_of()
    wrong = bytes(METADATA_BLOCK) + METADATA[METADATA_BLOCK:]
    for peer in ("liar", "honest"):
        fetch.on_claim(peer, LENGTH)
        fetch.next_requests(peer, 0)
    serve(fetch, "liar", [0], wrong)
    assert serve(fetch, "honest", [1, 2, 3])[-1] == Outcome()
    serve(fetch, "liar", [1, 2], wrong)
    alone = fetch.next_requests("liar", 0)
    assert 3 not in alone, "it still owes that one"
    assert serve(fetch, "liar", [3, *alone], wrong)[-1].dismissed == (("liar", Reason.METADATA_MISMATCH),)
    asked = fetch.next_requests("honest", 0)
    assert serve(fetch, "honest", [0, *asked])[-1].metadata == METADATA


def test_who_comes_after_a_wrong_assembly_begins_afresh():
    fetch = fetch_of()
    fetch.on_claim("liar", LENGTH)
    fetch.on_claim("gone", LENGTH)
    blocks = fetch.next_requests("liar", 0)
    fetch.next_requests("gone", 0)
    serve(fetch, "gone", blocks[:1])
    serve(fetch, "liar", blocks[1:], content(LENGTH, seed=1))
    fetch.on_gone("gone")
    fetch.on_claim("honest", LENGTH)
    assert serve(fetch, "honest", fetch.next_requests("honest", 1))[-1].metadata == METADATA


def test_what_a_peer_sent_before_it_left_is_not_asked_for_again():
    fetch = fetch_of()
    fetch.on_claim("gone", LENGTH)
    serve(fetch, "gone", fetch.next_requests("gone", 0)[:2])
    fetch.on_gone("gone")
    fetch.on_claim("here", LENGTH)
    assert fetch.next_requests("here", 1) == [2, 3]
    assert serve(fetch, "here", [2, 3])[-1].metadata == METADATA


def test_made_up_sizes_do_not_pile_up():
    fetch = fetch_of()
    for number in range(100):
        peer, size = str(number), METADATA_BLOCK + 1 + number
        fetch.on_claim(peer, size)
        fetch.next_requests(peer, 0)
        fetch.on_data(peer, 0, size, bytes(METADATA_BLOCK))
        fetch.on_gone(peer)
    assert len(fetch._shared) <= MOST_SIZES
    fetch.on_claim("empty", 5000)
    fetch.on_gone("empty")
    assert 5000 not in fetch._shared


def test_liars_with_a_size_of_metadata_each_do_not_fill_the_memory_and_the_truth_gets_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("magnetite.swarm.metadata.MOST_BYTES", 1 << 20)
    fetch: MetadataFetch[int] = MetadataFetch(InfoHash.decode(sha1(METADATA).digest()))
    assert fetch.on_claim(0, LENGTH) is None
    honest = fetch.next_requests(0, 0.0)  # it serves slowly
    gone: set[int] = set()
    for liar in range(1, 20):
        size = (60 - liar) * METADATA_BLOCK
        assert fetch.on_claim(liar, size) is None
        while liar not in gone and (asked := fetch.next_requests(liar, 0.0)):
            for block in asked:
                if block != size // METADATA_BLOCK - 1:  # never complete, so never found out
                    outcome = fetch.on_data(liar, block, size, bytes(METADATA_BLOCK))
                    gone |= {peer for peer, _ in outcome.dismissed}
                    assert fetch.received <= 1 << 20
    assert gone
    assert 0 not in gone
    for block in honest:
        outcome = fetch.on_data(0, block, LENGTH, block_of(block))
    assert outcome.metadata == METADATA
