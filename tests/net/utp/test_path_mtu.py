"""The search for the largest datagram that gets through whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magnetite.net.utp.path_mtu import CLOSE, FLOOR4, FLOOR6, FRAME, SEARCH_AGAIN, TRIES, UDP4, UDP6, PathMtu


def search(mtu: PathMtu, path: int, now: float = 0.0) -> int:
    """How many probes it takes on a path of that width."""
    probes = 0
    while (size := mtu.probe(now)) is not None:
        probes += 1
        mtu.on_probe_sent()
        assert mtu.probe(now) is None, "one at a time"
        if size <= path:
            mtu.on_arrived(size)
        else:
            mtu.on_probe_lost()
    return probes


@given(st.booleans(), st.integers(FLOOR4, 3000))
def test_it_comes_close_to_the_width_of_any_path_in_a_few_probes(is_ipv6: bool, path: int) -> None:
    floor, most = (FLOOR6, FRAME - UDP6) if is_ipv6 else (FLOOR4, FRAME - UDP4)
    mtu = PathMtu(is_ipv6, 0.0)
    assert search(mtu, path) <= TRIES * 8
    assert mtu.size <= max(path, floor)
    assert mtu.size > min(path, most) - 2 * CLOSE


def test_an_ordinary_path_takes_one_probe() -> None:
    assert search(PathMtu(False, 0.0), 1472) == 1


def test_one_lost_probe_proves_nothing() -> None:
    mtu = PathMtu(False, 0.0)
    first = mtu.probe(0.0)
    mtu.on_probe_sent()
    mtu.on_probe_lost()
    assert mtu.probe(0.0) == first


def test_a_path_that_widened_is_found_out_after_a_while_and_one_that_narrowed_at_once() -> None:
    mtu = PathMtu(False, 0.0)
    search(mtu, 1000)
    assert search(mtu, 1472, SEARCH_AGAIN - 1) == 0
    search(mtu, 1472, SEARCH_AGAIN)
    assert mtu.size == 1472
    mtu.on_timeouts(1)
    assert mtu.size == 1472
    mtu.on_timeouts(2)
    assert mtu.size == FLOOR4
