from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.partial import PartialPiece
from magnetite.wire.messages import BLOCK_LENGTH, BlockRequest

LENGTH = 2 * BLOCK_LENGTH + 100  # three blocks, the last short


def test_the_blocks_of_a_piece_are_asked_for_once_and_in_order():
    partial = PartialPiece[str](7, LENGTH)
    first, rest = partial.requests(partial.request("a", 2)), partial.requests(partial.request("b", 9))
    assert first == [BlockRequest(7, 0, BLOCK_LENGTH), BlockRequest(7, BLOCK_LENGTH, BLOCK_LENGTH)]
    assert rest == [BlockRequest(7, 2 * BLOCK_LENGTH, 100)]
    assert not partial.has_unrequested
    assert not partial.request("c", 9)


@given(st.permutations(range(3)), st.lists(st.sampled_from("ab"), min_size=3, max_size=3))
def test_blocks_in_any_order_from_anybody_make_the_piece(order, peers):
    partial = PartialPiece[str](0, LENGTH)
    partial.request("a", 3)
    for block, peer in zip(order, peers, strict=True):
        assert not partial.is_complete
        assert partial.missing >> block & 1
        partial.take(peer, 1 << block)
    assert partial.is_complete
    assert partial.is_abandoned
    assert partial.senders == [peer for _, peer in sorted(zip(order, peers, strict=True))]
    assert set(partial.sent) == set(peers)


def test_whoever_comes_first_counts_and_it_is_told_who_else_was_asked():
    partial = PartialPiece[str](0, LENGTH)
    assert partial.request("a", 2) == 0b11
    assert partial.request_again("b", 9, copies=3) == 0b11
    assert partial.take("a", 0b01) == [("b", 0b01)]
    assert partial.missing == 0b110
    assert partial.take("b", 0b10) == [("a", 0b10)]
    assert partial.sent == {"a": 0b01, "b": 0b10}
    assert partial.is_abandoned


def test_a_block_is_asked_of_no_more_peers_than_wanted_and_of_none_twice():
    partial = PartialPiece[str](0, LENGTH)
    partial.request("a", 1)
    assert not partial.request_again("a", 9, copies=3)
    assert [partial.request_again(peer, 9, copies=3) for peer in "bcd"] == [1, 1, 0]
    assert not partial.request_again("d", 0, copies=9)


def test_a_block_is_free_again_when_the_last_peer_asked_for_it_lets_go():
    partial = PartialPiece[str](0, LENGTH)
    partial.request("a", 3)
    partial.request_again("b", 1, copies=2)
    partial.release("a", 0b1)
    assert not partial.has_unrequested
    partial.release("a", 0b1)  # not his any more
    partial.release("b", 0b1)
    assert partial.request("c", 9) == 0b1


def test_a_piece_is_abandoned_when_nobody_owes_any_of_it():
    partial = PartialPiece[str](0, LENGTH)
    assert partial.is_abandoned
    blocks = partial.request("a", 1)
    assert not partial.is_abandoned
    partial.take("a", blocks)
    assert partial.is_abandoned
    assert partial.received_blocks == 1


def test_a_late_block_is_taken_and_not_asked_for_any_more():
    partial = PartialPiece[str](0, LENGTH)
    blocks = partial.request("a", 1)
    partial.release("a", blocks)
    assert partial.take("a", blocks) == []
    assert partial.request("b", 9) == 0b110
