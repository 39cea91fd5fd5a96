from __future__ import annotations

from magnetite.net.portmap.epoch import EpochWatch


def test_a_clock_that_goes_on_is_no_restart() -> None:
    watch = EpochWatch()
    assert not watch.note(1000, 50.0)
    assert not watch.note(1300, 350.0)
    assert not watch.note(1562, 650.0), "a slow clock: 7/8 of ours"
    assert not watch.note(9999, 660.0), "a fast one loses nothing"


def test_a_clock_that_begins_anew_or_lags_far_behind_is_a_restart() -> None:
    watch = EpochWatch()
    watch.note(1000, 50.0)
    assert watch.note(3, 350.0)
    assert not watch.note(303, 650.0), "and then it goes on"
    assert watch.note(400, 1650.0)
