import pytest

from magnetite.errors import Reason, WireError
from magnetite.swarm.tolerance import BURST, RATE, Tolerance


def test_what_is_too_much_at_once_ends_it() -> None:
    tolerance = Tolerance(0)
    tolerance.spend(BURST, 0)
    with pytest.raises(WireError) as caught:
        tolerance.spend(1, 0)
    assert caught.value.reason is Reason.TOO_MANY_MESSAGES


def test_a_little_may_go_on_for_ever_and_silence_earns_no_more_than_a_burst() -> None:
    tolerance = Tolerance(0)
    for second in range(1000):
        tolerance.spend(int(RATE), second)
    tolerance.spend(BURST, 1e6)
    with pytest.raises(WireError):
        tolerance.spend(1, 1e6)


def test_a_little_too_much_ends_sooner_or_later() -> None:
    tolerance = Tolerance(0)

    def go_on() -> None:
        for second in range(BURST):
            tolerance.spend(int(RATE) + 2, second)

    with pytest.raises(WireError):
        go_on()
