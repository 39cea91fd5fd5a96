from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magnetite.wire.mse.rc4 import Rc4


def test_the_first_1024_bytes_of_the_keystream_are_dropped() -> None:
    """Bytes 1024 to 1039 for the key 0x0102030405 (RFC 6229, section 2)."""
    assert Rc4(bytes([1, 2, 3, 4, 5])).apply(bytes(16)).hex() == "30abbcc7c20b01609f23ee2d5f6bb7df"


@given(st.binary(min_size=20, max_size=20), st.lists(st.binary(max_size=100), max_size=5))
def test_in_place_into_a_buffer_and_as_bytes_it_is_the_same(key: bytes, parts: list[bytes]) -> None:
    one, other, third = Rc4(key), Rc4(key), Rc4(key)
    for part in parts:
        in_place, apart = bytearray(part), memoryview(bytearray(len(part) + 3))
        other.apply_in_place(in_place)
        third.apply_into(part, apart)
        assert one.apply(part) == in_place == apart[: len(part)]
