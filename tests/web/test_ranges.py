import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.web.ranges import Unsatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=0-", range(10)),
        ("bytes=3-7", range(3, 8)),
        ("bytes=3-700", range(3, 10)),
        ("bytes=-4", range(6, 10)),
        ("bytes=-400", range(10)),
        ("Bytes = 9 - 9 ", range(9, 10)),
        ("bytes=5-3", None),
        ("bytes=0-1,4-5", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=a-b", None),
        ("bytes=-1-2", None),
        ("bytes=١-٢", None),
        ("lines=0-1", None),
        ("bytes=" + 50 * "9" + "-", None),
        ("", None),
    ],
)
def test_the_bytes_named_are_those_meant(header: str, expected: range | None) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "length"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_what_no_byte_satisfies_is_refused(header: str, length: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, length)


@given(st.text(), st.integers(0, 100))
def test_a_range_is_never_empty_nor_beyond_the_file(header: str, length: int) -> None:
    try:
        chosen = parse_range("bytes=" + header, length)
    except Unsatisfiable:
        return
    assert chosen is None or (len(chosen) and chosen.start >= 0 and chosen.stop <= length)
