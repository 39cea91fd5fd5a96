from hypothesis import given
from hypothesis import strategies as st

from magnetite.torrent.pieces import everything, from_wire, indices, of, to_wire

COUNTS = st.integers(1, 200)


@st.composite
def sets_of_pieces(draw) -> tuple[set[int], int]:
    count = draw(COUNTS)
    return draw(st.sets(st.integers(0, count - 1))), count


def mask(pieces) -> int:
    return sum(1 << piece for piece in pieces)


def wire(pieces, count: int) -> bytes:
    """The payload of BEP 3, written out bit by bit."""
    bits = "".join("1" if piece in pieces else "0" for piece in range(-(-count // 8) * 8))
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def test_the_first_piece_is_the_highest_bit_of_the_first_byte():
    assert from_wire(b"\x80\x01") == mask({0, 15})
    assert to_wire(mask({0, 15}), 16) == b"\x80\x01"


@given(sets_of_pieces())
def test_the_wire_form_has_one_bit_a_piece_and_zeros_to_spare(example):
    pieces, count = example
    assert to_wire(mask(pieces), count) == wire(pieces, count)
    assert from_wire(wire(pieces, count)) == mask(pieces)


@given(st.binary(max_size=40))
def test_any_bytes_survive_the_way_there_and_back(bits):
    assert to_wire(from_wire(bits), 8 * len(bits)) == bits


@given(sets_of_pieces())
def test_indices_are_the_pieces_in_order(example):
    pieces, _ = example
    assert list(indices(mask(pieces))) == sorted(pieces)


@given(COUNTS)
def test_everything_is_every_piece(count):
    assert list(indices(everything(count))) == list(range(count))


@given(st.lists(st.integers(0, 300)))
def test_a_set_is_made_of_pieces_in_any_order_some_of_them_named_twice(listed):
    assert of(listed) == mask(set(listed))
