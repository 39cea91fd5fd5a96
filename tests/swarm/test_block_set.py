from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.block_set import BlockSet, lowest, mask_of, requests_for
from magnetite.torrent.pieces import indices
from magnetite.wire.messages import BLOCK_LENGTH, BlockRequest

PIECES = st.integers(0, 3)
MASKS = st.integers(0, (1 << 70) - 1)


@given(st.lists(st.tuples(st.booleans(), PIECES, MASKS), max_size=30))
def test_a_block_set_is_a_set_of_blocks(steps):
    blocks, expected = BlockSet(), set()
    for adds, piece, mask in steps:
        named = {(piece, block) for block in indices(mask)}
        if adds:
            blocks.add(piece, mask)
            expected |= named
        else:
            assert set(indices(blocks.discard(piece, mask))) == {block for _, block in named & expected}
            expected -= named
        assert len(blocks) == len(expected)
        assert {(piece, block) for piece, mask in blocks.items() for block in indices(mask)} == expected
        assert all(blocks[piece] == mask for piece, mask in blocks.items())
    blocks.clear()
    assert not blocks


@given(MASKS, st.integers(-1, 80))
def test_the_lowest_blocks_are_taken_first(mask, most):
    assert list(indices(lowest(mask, most))) == list(indices(mask))[: max(0, most)]


@given(st.integers(1, 5 * BLOCK_LENGTH), st.data())
def test_a_request_and_its_block_name_each_other(length, data):
    mask = data.draw(st.integers(0, (1 << -(-length // BLOCK_LENGTH)) - 1))
    requests = requests_for(7, mask, length)
    assert [mask_of(request, length) for request in requests] == [1 << block for block in indices(mask)]
    assert sum(r.length for r in requests_for(7, (1 << -(-length // BLOCK_LENGTH)) - 1, length)) == length


@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(1, 5 * BLOCK_LENGTH))
def test_a_request_for_anything_else_than_a_block_names_none(begin, length, piece_length):
    request = BlockRequest(0, begin, length)
    every = (1 << -(-piece_length // BLOCK_LENGTH)) - 1
    assert bool(mask_of(request, piece_length)) == (request in requests_for(0, every, piece_length))
