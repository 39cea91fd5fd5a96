from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.partial import PartialPiece
from magnetite.wire.messages import BLOCK_LENGTH, BlockRequest
from tests.torrent.samples import content

LENGTH = 2 * BLOCK_LENGTH + 100  # three blocks, the last short
DATA = content(LENGTH)


def data_of(request: BlockRequest) -> bytes:
    return DATA[request.begin : request.begin + request.length]


def test_the_blocks_of_a_piece_are_asked_for_once_and_in_order():
    partial = PartialPiece[str](7, LENGTH)
    first, rest = list(partial.request("a", 2)), list(partial.request("b", 9))
    assert first == [BlockRequest(7, 0, BLOCK_LENGTH), BlockRequest(7, BLOCK_LENGTH, BLOCK_LENGTH)]
    assert rest == [BlockRequest(7, 2 * BLOCK_LENGTH, 100)]
    assert not partial.has_unrequested
    assert list(partial.request("c", 9)) == []


@given(st.permutations(range(3)), st.lists(st.sampled_from("ab"), min_size=3, max_size=3))
def test_blocks_in_any_order_from_anybody_make_the_piece(order, peers):
    partial = PartialPiece[str](0, LENGTH)
    requests = list(partial.request("a", 3))
    for block, peer in zip(order, peers, strict=True):
        assert not partial.is_complete
        partial.receive(peer, requests[block].begin, data_of(requests[block]))
    assert partial.is_complete
    assert bytes(partial.buffer) == DATA
    assert partial.senders == [peer for _, peer in sorted(zip(order, peers, strict=True))]
    assert set(partial.contributors) == set(peers)


def test_the_first_copy_of_a_block_counts_and_tells_who_else_was_asked():
    partial = PartialPiece[str](0, LENGTH)
    (request,) = partial.request("a", 1)
    assert list(partial.request_again("b", 9, copies=3)) == [request]
    assert partial.receive("a", 0, data_of(request)) == ("a", "b")
    assert partial.receive("b", 0, bytes(request.length)) is None
    assert bytes(partial.buffer[: request.length]) == data_of(request)
    assert list(partial.contributors) == ["a"]


def test_a_block_is_asked_of_no_more_peers_than_wanted_and_of_none_twice():
    partial = PartialPiece[str](0, LENGTH)
    (request,) = partial.request("a", 1)
    assert list(partial.request_again("a", 9, copies=3)) == []
    assert [list(partial.request_again(peer, 9, copies=3)) for peer in "bcd"] == [[request], [request], []]
    assert list(partial.request_again("d", 0, copies=9)) == []


def test_a_block_is_free_again_when_the_last_peer_asked_for_it_lets_go():
    partial = PartialPiece[str](0, LENGTH)
    requests = list(partial.request("a", 3))
    list(partial.request_again("b", 1, copies=2))
    partial.release("a", 0)
    assert not partial.has_unrequested
    partial.release("a", 0)  # not his any more
    partial.release("b", 0)
    assert list(partial.request("c", 9)) == requests[:1]


def test_a_piece_is_abandoned_when_nobody_owes_any_of_it():
    partial = PartialPiece[str](0, LENGTH)
    assert partial.is_abandoned
    (request,) = partial.request("a", 1)
    assert not partial.is_abandoned
    partial.receive("a", 0, data_of(request))
    assert partial.is_abandoned
    assert partial.received_blocks == 1


def test_a_late_block_is_taken_and_not_asked_for_any_more():
    partial = PartialPiece[str](0, LENGTH)
    (request,) = partial.request("a", 1)
    partial.release("a", 0)
    assert partial.receive("a", 0, data_of(request)) == ()
    assert [r.begin for r in partial.request("b", 9)] == [BLOCK_LENGTH, 2 * BLOCK_LENGTH]
