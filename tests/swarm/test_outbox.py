from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from magnetite.swarm.outbox import LEAST_BATCH, MOST_BATCH, MOST_MESSAGE_BYTES, Outbox, batch_length, contiguous
from magnetite.wire.messages import BlockRequest, Have, KeepAlive, Unchoke, encode

LENGTHS = [1, 16 << 10, 100 << 10, 128 << 10]
REQUESTS = st.builds(
    BlockRequest, st.integers(0, 2), st.sampled_from([0, 1, 16 << 10, 32 << 10]), st.sampled_from(LENGTHS)
)


class Modelled(RuleBasedStateMachine):
    """An outbox against two plain lists."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox()
        self.messages: list[bytes] = []
        self.blocks: list[BlockRequest] = []

    @rule(piece=st.integers(0, 1000))
    def put(self, piece: int) -> None:
        self.outbox.put(Have(piece), Unchoke())
        self.messages += [encode(Have(piece)), encode(Unchoke())]

    @rule(request=REQUESTS)
    def put_block(self, request: BlockRequest) -> None:
        self.outbox.put_block(request)
        if request not in self.blocks:  # asked for twice, sent once
            self.blocks.append(request)

    @rule(request=REQUESTS)
    def cancel(self, request: BlockRequest) -> None:
        assert self.outbox.cancel(request) == (request in self.blocks)
        if request in self.blocks:
            self.blocks.remove(request)

    @rule()
    def drop_blocks(self) -> None:
        assert self.outbox.drop_blocks() == self.blocks
        self.blocks = []

    @rule()
    def take_messages(self) -> None:
        assert self.outbox.take_messages() == self.messages
        self.messages = []

    @rule(most=st.integers(1, 100_000))
    def take_blocks(self, most: int) -> None:
        taken = self.outbox.take_blocks(most)
        assert taken == self.blocks[: len(taken)]
        assert bool(taken) == bool(self.blocks)
        size = sum(request.length for request in taken)
        assert len(taken) <= 1 or size <= most
        if len(taken) < len(self.blocks):
            assert size + self.blocks[len(taken)].length > most
        self.blocks = self.blocks[len(taken) :]

    @invariant()
    def counts_agree(self) -> None:
        assert self.outbox.queued_blocks == len(self.blocks)


TestModelled = Modelled.TestCase
TestModelled.settings = settings(max_examples=50)


def test_whatever_is_put_in_wakes_the_reader():
    outbox, woken = Outbox(), []
    outbox.put(KeepAlive())  # before anybody waits
    outbox.wake = lambda: woken.append(1)
    outbox.put(Unchoke())
    outbox.put_bytes(b"x")
    outbox.put_block(BlockRequest(0, 0, 1))
    assert len(woken) == 3


def test_what_is_held_goes_with_what_comes_next_or_when_it_is_released():
    outbox, woken = Outbox(), []
    outbox.wake = lambda: woken.append(1)
    outbox.release()
    outbox.hold(b"x")
    assert not woken
    outbox.release()
    assert len(woken) == 1
    outbox.put_bytes(b"y")
    assert len(woken) == 2
    assert outbox.take_messages() == [b"x", b"y"]


def test_a_message_may_be_taken_back_while_it_waits():
    outbox = Outbox()
    outbox.hold(b"x")
    outbox.hold(bytes(MOST_MESSAGE_BYTES))
    assert outbox.take_back(b"x")
    assert not outbox.take_back(b"x")
    assert not outbox.is_flooded
    assert outbox.take_messages() == [bytes(MOST_MESSAGE_BYTES)]


def test_a_peer_that_does_not_read_its_answers_is_noticed_until_they_are_taken():
    outbox = Outbox()
    outbox.put_bytes(bytes(MOST_MESSAGE_BYTES))
    assert not outbox.is_flooded
    outbox.put_bytes(b"x")
    assert outbox.is_flooded
    outbox.take_messages()
    assert not outbox.is_flooded


def test_a_block_longer_than_a_batch_goes_alone():
    outbox = Outbox()
    long = BlockRequest(0, 0, 1001)
    outbox.put_block(long)
    outbox.put_block(BlockRequest(1, 0, 1))
    assert outbox.take_blocks(1000) == [long]
    assert outbox.take_blocks(1000) == [BlockRequest(1, 0, 1)]


def test_a_batch_is_a_moment_of_the_peers_rate_within_bounds():
    assert [batch_length(rate) for rate in (0, 1e6, 5e6, 1e9)] == [LEAST_BATCH, 100_000, 500_000, MOST_BATCH]


@given(st.lists(REQUESTS))
def test_runs_are_unbroken_and_as_long_as_they_can_be(requests):
    def follows(one: BlockRequest, other: BlockRequest) -> bool:
        return one.piece == other.piece and one.begin + one.length == other.begin

    runs = list(contiguous(requests))
    assert [request for run in runs for request in run] == requests
    assert all(follows(*pair) for run in runs for pair in pairwise(run))
    assert not any(follows(run[-1], after[0]) for run, after in pairwise(runs))
