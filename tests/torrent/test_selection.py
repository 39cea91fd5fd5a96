import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import LocalProtocolError
from magnetite.torrent.selection import FileSelection, format_ranges, parse_ranges, parse_selection
from tests.torrent.samples import multi

METAINFO, _ = multi({"Season 1/E1.mkv": 10, "Season 1/E2.MKV": 10, ".pad/5": 5, "extras/readme.txt": 3, "cover.jpg": 2})


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("0", ((0, 0),)),
        ("0,2,4-8", ((0, 0), (2, 2), (4, 8))),
        ("4-8, 0 ,2", ((0, 0), (2, 2), (4, 8))),
        ("1,2,3", ((1, 3),)),
        ("0-5,3-9,9", ((0, 9),)),
        ("0-999999999", ((0, 999_999_999),)),
    ],
)
def test_index_lists_are_read_sorted_and_merged(text, ranges):
    assert parse_ranges(text) == ranges


@pytest.mark.parametrize(
    "text", ["", ",", "1,", "-1", "1-", "2-1", "a", "1--2", "1-2-3", "99999999999", "4294967296", "٣"]
)
def test_index_lists_that_make_no_sense_are_refused(text):
    with pytest.raises(ValueError):
        parse_ranges(text)


@given(st.sets(st.integers(0, 60), min_size=1))
def test_ranges_hold_exactly_the_indices_given(indices):
    ranges = parse_ranges(",".join(map(str, indices)))
    assert {i for first, last in ranges for i in range(first, last + 1)} == indices
    assert parse_ranges(format_ranges(ranges)) == ranges


@pytest.mark.parametrize(
    ("texts", "indices"),
    [
        ((), {0, 1, 3, 4}),
        (("0",), {0}),
        (("1-3",), {1, 3}),
        (("3-999999999",), {3, 4}),
        (("*.mkv",), {0, 1}),
        (("season 1",), {0, 1}),
        (("folder/Season 1/",), {0, 1}),
        (("cover.jpg", "0"), {0, 4}),
        (("*readme*",), {3}),
        (("E?.mkv", "cover*"), {4}),
    ],
)
def test_files_are_selected_by_index_and_by_pattern(texts, indices):
    assert parse_selection(*texts).indices(METAINFO) == indices


@pytest.mark.parametrize("texts", [("*.iso",), ("17",), ("2",)])
def test_selecting_nothing_is_an_error_that_says_what_was_asked(texts):
    with pytest.raises(LocalProtocolError, match=texts[0].replace("*", r"\*")):
        parse_selection(*texts).indices(METAINFO)


def test_an_empty_selection_text_is_refused():
    with pytest.raises(ValueError):
        parse_selection(" ")


def test_no_selection_is_every_file():
    assert FileSelection().indices(METAINFO) == {0, 1, 3, 4}
