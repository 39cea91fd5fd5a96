from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.cli.text import count, duration, printable, shortened, size


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (32 << 20, "32.0 MiB"),
        (5 * 1024**6, "5120.0 PiB"),
    ],
)
def test_sizes_are_rounded_to_a_unit(length: int, text: str) -> None:
    assert size(length) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "40 ms"),
        (0.9999, "1.0 s"),
        (9.99, "10 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (185, "3:05 min"),
        (7380, "2:03 h"),
        (5 * 86400, "5 days"),
    ],
)
def test_durations_are_as_exact_as_they_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_one_is_not_many() -> None:
    assert [count(0, "peer"), count(1, "peer"), count([1, 2], "peer")] == ["0 peers", "1 peer", "2 peers"]


@given(st.text())
def test_nothing_printed_steers_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
    assert len(shortened(text)) <= 28


def test_a_long_name_keeps_its_end() -> None:
    assert shortened("Some.Show.S01E07.The.One.With.A.Name.mkv") == "Some.Show.S01E…th.A.Name.mkv"
