import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import InvalidMetainfo
from magnetite.torrent.create import choose_piece_length, encode_info, in_order
from magnetite.torrent.metainfo import decode_info

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("length", "piece_length"),
    [
        (1, 16 * KIB),
        (16 * MIB, 16 * KIB),
        (16 * MIB + 1, 32 * KIB),
        (700 * MIB, MIB),
        (4 * GIB, 4 * MIB),
        (16 * GIB, 16 * MIB),
        (1 << 50, 16 * MIB),
    ],
)
def test_pieces_are_about_a_thousand(length, piece_length):
    assert choose_piece_length(length) == piece_length


@given(st.integers(1, 1 << 34))
def test_piece_lengths_are_the_smallest_power_of_two_that_is_enough(length):
    piece_length = choose_piece_length(length)
    assert piece_length.bit_count() == 1
    assert length <= piece_length * 1024
    assert piece_length == 16 * KIB or length > piece_length * 512


@given(st.permutations([(("t", "b"), 1), (("t", "a", "z"), 2), (("t", "a b"), 3), (("t", "B"), 4), (("t", "ä"), 5)]))
def test_the_order_of_files_does_not_depend_on_how_they_were_found(files):
    assert [path[1:] for path, _ in in_order(files)] == [("B",), ("a", "z"), ("a b",), ("b",), ("ä",)]


def test_what_is_encoded_is_what_is_decoded():
    metainfo = decode_info(encode_info([(("t", "a"), 3), (("t", "b", "c"), 2)], 4, bytes(40)))
    assert [(entry.path, entry.length) for entry in metainfo.files] == [(("t", "a"), 3), (("t", "b", "c"), 2)]
    assert decode_info(encode_info([(("file",), 3)], 4, bytes(20))).files[0].path == ("file",)


@pytest.mark.parametrize("name", ["a\\b", "con", "trailing.", "x" * 255, "bad\udcff", "a\nb"])
def test_names_other_systems_cannot_store_are_refused_with_a_remedy(name):
    with pytest.raises(InvalidMetainfo, match="rename it"):
        encode_info([(("t", name), 1)], 4, bytes(20))


def test_names_that_differ_in_case_only_are_refused():
    with pytest.raises(InvalidMetainfo, match="rename it"):
        encode_info([(("t", "a"), 1), (("t", "A"), 1)], 4, bytes(20))


@pytest.mark.parametrize("files", [[], [(("t", "a"), 0)]])
def test_a_torrent_without_a_byte_is_refused(files):
    with pytest.raises(InvalidMetainfo, match="nothing to share"):
        encode_info(files, 4, b"")
