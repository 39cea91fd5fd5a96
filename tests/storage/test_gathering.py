"""Whatever is to be written, in whatever order and however little the system takes at once, stands in the file."""

from __future__ import annotations

import os
import tempfile
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from magnetite.storage import gathering
from magnetite.storage.gathering import write_parts

PARTS = st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=1, max_size=50)), max_size=12)  # gap before, data


@given(PARTS, st.randoms(use_true_random=False), st.integers(1, 60), st.integers(1, 5))
def test_each_buffer_is_written_at_its_offset(gaps_and_data, rng, most, gather):
    expected = bytearray()
    parts = []
    for gap, data in gaps_and_data:
        expected += bytes(gap)
        parts.append((len(expected), memoryview(data)))
        expected += data
    rng.shuffle(parts)

    def pwritev(descriptor, buffers, offset):
        assert len(buffers) <= gather
        return os.pwrite(descriptor, b"".join(buffers)[:most], offset)

    with tempfile.TemporaryFile() as file:
        with patch.object(os, "pwritev", pwritev), patch.object(gathering, "GATHER", gather):
            write_parts(file.fileno(), parts)
        assert os.pread(file.fileno(), len(expected) + 1, 0) == expected


def test_what_lies_side_by_side_is_written_by_one_call():
    calls = []
    pwritev = os.pwritev

    def counted(descriptor, buffers, offset):
        calls.append((offset, len(buffers)))
        return pwritev(descriptor, buffers, offset)

    parts = [(at, memoryview(bytes([at]) * 4)) for at in (0, 4, 8, 16, 20)]
    with tempfile.TemporaryFile() as file, patch.object(os, "pwritev", counted):
        write_parts(file.fileno(), parts)
    assert calls == [(0, 3), (16, 2)]
