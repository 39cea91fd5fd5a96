from random import Random

from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.picker import RANDOM_FIRST, PickingOrder, PiecePicker, any_bit, lowest_bit, nth_bit
from magnetite.torrent.pieces import everything, indices

COUNT = 16
MASKS = st.integers(0, everything(COUNT))


def picker_for(peers: list[int], open_pieces: int, rng: Random) -> PiecePicker:
    picker = PiecePicker(open_pieces, everything(COUNT), rng)
    for pieces in peers:
        picker.availability.add(pieces)
    return picker


@given(st.lists(MASKS, max_size=5), MASKS, st.lists(MASKS, max_size=30), st.randoms(use_true_random=False))
def test_after_the_first_few_the_rarest_piece_is_begun(peers, open_pieces, asks, rng):
    picker = picker_for(peers, open_pieces, rng)
    counts = [sum(peer >> piece & 1 for peer in peers) for piece in range(COUNT)]
    still_open, begun = open_pieces, 0
    for among in asks:
        possible = set(indices(among & still_open))
        piece = picker.begin(among)
        assert (piece is None) == (not possible)
        if piece is not None:
            assert piece in possible
            if begun >= RANDOM_FIRST:
                held = {p for p in possible if counts[p]} or possible
                assert counts[piece] == min(counts[p] for p in held)
            still_open &= ~(1 << piece)
            begun += 1
        assert picker.open == still_open


def test_at_the_very_start_rarity_does_not_matter():
    firsts = {picker_for([0b1110], 0b1111, Random(seed)).begin(0b1111) for seed in range(100)}
    assert firsts == {0, 1, 2, 3}


def test_among_equally_rare_pieces_every_one_has_a_chance():
    def fifth(seed: int) -> int | None:
        picker = picker_for([0b1111_0000_0000], 0b1111_0000_1111, Random(seed))
        for _ in range(RANDOM_FIRST):
            picker.begin(0b1111)
        return picker.begin(everything(COUNT))

    assert {fifth(seed) for seed in range(100)} == {8, 9, 10, 11}


def test_a_piece_that_is_given_up_can_be_begun_again(rng):
    picker = PiecePicker(0b100, everything(COUNT), rng)
    assert picker.begin(0b111) == 2
    assert picker.begin(0b111) is None
    picker.reopen(2)
    assert picker.begin(0b011) is None
    assert picker.begin(0b111) == 2


def test_what_is_taken_beside_a_piece_is_not_begun_again(rng):
    picker = PiecePicker(0b1111, everything(COUNT), rng)
    picker.take(0b0110)
    assert picker.open == 0b1001
    assert {picker.begin(0b1111), picker.begin(0b1111)} == {0, 3}
    assert picker.begin(0b1111) is None


@given(MASKS, MASKS, st.lists(MASKS, max_size=30), st.booleans(), st.randoms(use_true_random=False))
def test_a_piece_of_a_lower_rank_waits_for_all_of_a_higher_one(high, low, asks, is_sequential, rng):
    low &= ~high
    picker = picker_for([everything(COUNT)], everything(COUNT), rng)
    picker.order = PickingOrder(high, low, is_sequential)

    def rank(piece: int) -> int:
        return (high >> piece & 1) - (low >> piece & 1)

    for among in asks:
        possible = set(indices(among & picker.open))
        piece = picker.begin(among)
        if piece is None:
            assert not possible
            continue
        best = max(map(rank, possible))
        assert rank(piece) == best
        if is_sequential:
            assert piece == min(each for each in possible if rank(each) == best)


def test_the_order_may_change_in_between(rng):
    picker = picker_for([everything(COUNT)], everything(COUNT), rng)
    picker.order = PickingOrder(is_sequential=True)
    assert [picker.begin(everything(COUNT)) for _ in range(3)] == [0, 1, 2]
    picker.order = PickingOrder(high=1 << 9)
    assert picker.begin(everything(COUNT)) == 9


@given(st.integers(1, 1 << 300))
def test_the_lowest_bit_is_the_first_index(mask):
    assert lowest_bit(mask) == next(indices(mask))


@given(st.sets(st.integers(0, 300), min_size=1))
def test_set_bits_are_counted_from_the_lowest(pieces):
    mask = sum(1 << piece for piece in pieces)
    assert [nth_bit(mask, number) for number in range(len(pieces))] == sorted(pieces)


def test_a_piece_after_a_gap_is_no_likelier_than_another():
    rng = Random(1)
    drawn = [any_bit(0b1111 | 1 << 90, rng) for _ in range(1_000)]
    assert all(150 < drawn.count(piece) < 250 for piece in (0, 1, 2, 3, 90))
