import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.torrent.piece_map import PieceMap, Span
from magnetite.torrent.pieces import indices
from tests.torrent.samples import multi, single


@st.composite
def torrents(draw):
    lengths = draw(st.lists(st.integers(0, 20), min_size=1, max_size=8).filter(any))
    paddings = draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    paths = [f".pad/{i}" if is_padding else f"{i}" for i, is_padding in enumerate(paddings)]
    return multi(dict(zip(paths, lengths, strict=True)), piece_length=draw(st.integers(1, 25)))[0]


def every_byte(metainfo):
    """File and offset of every byte of the torrent, one by one."""
    return [(i, at) for i, entry in enumerate(metainfo.files) for at in range(entry.length)]


@given(torrents(), st.data())
def test_spans_name_the_same_bytes_as_counting_one_by_one(metainfo, data):
    pieces = PieceMap(metainfo)
    piece = data.draw(st.integers(0, pieces.piece_count - 1))
    begin = data.draw(st.integers(0, pieces.piece_length_of(piece) - 1))
    length = data.draw(st.integers(1, pieces.piece_length_of(piece) - begin))
    spans = pieces.spans(piece, begin, length)
    start = piece * metainfo.piece_length + begin
    named = [(span.file, span.offset + at) for span in spans for at in range(span.length)]
    assert named == every_byte(metainfo)[start : start + length]
    assert all(span.length for span in spans)


@given(torrents())
def test_pieces_cover_the_torrent_once(metainfo):
    pieces = PieceMap(metainfo)
    lengths = [pieces.piece_length_of(piece) for piece in range(pieces.piece_count)]
    assert sum(lengths) == metainfo.length
    assert set(lengths[:-1]) <= {metainfo.piece_length}


@given(torrents(), st.data())
def test_pieces_of_files_are_those_that_hold_one_of_their_bytes(metainfo, data):
    pieces = PieceMap(metainfo)
    files = data.draw(st.sets(st.integers(0, len(metainfo.files) - 1)))
    expected = {at // metainfo.piece_length for at, (file, _) in enumerate(every_byte(metainfo)) if file in files}
    assert set(indices(pieces.pieces_of(files))) == expected
    assert {piece for file in files for piece in pieces.pieces_of_file(file)} == expected


@pytest.mark.parametrize(
    ("piece", "begin", "length"),
    [(-1, 0, 1), (2, 0, 1), (0, -1, 2), (0, 0, 0), (0, 0, 11), (0, 10, 1), (1, 0, 6), (1, 5, 1), (0, 1, 1 << 40)],
)
def test_bytes_outside_the_torrent_are_refused(piece, begin, length):
    pieces = PieceMap(single(bytes(15), piece_length=10))
    assert not pieces.holds(piece, begin, length)
    with pytest.raises(IndexError):
        pieces.spans(piece, begin, length)


def test_a_piece_may_span_many_files_and_skips_the_empty_ones():
    metainfo, _ = multi({"a": 3, "b": 0, "c": 1, "d": 0, "e": 4}, piece_length=6)
    assert PieceMap(metainfo).spans(0, 1, 5) == [Span(0, 1, 2), Span(2, 0, 1), Span(4, 0, 2)]


def test_a_piece_the_torrent_does_not_have_has_no_length():
    for piece in (-1, 2):
        with pytest.raises(IndexError):
            PieceMap(single(bytes(15), piece_length=10)).piece_length_of(piece)
