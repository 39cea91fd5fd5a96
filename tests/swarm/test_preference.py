import pytest

from magnetite.errors import LocalProtocolError
from magnetite.swarm.picker import PickingOrder
from magnetite.swarm.preference import Preference
from magnetite.torrent.selection import FileSelection, parse_selection
from tests.torrent.samples import multi

METAINFO, _ = multi({"a": 40_000, "b": 10_000, "c": 40_000})  # pieces 0-2, 2-3 and 3-5


def test_nothing_preferred_is_the_usual_order():
    assert Preference().order_for(METAINFO) == PickingOrder()


def test_a_piece_of_several_files_has_the_highest_priority_of_theirs():
    order = Preference(high=parse_selection("b"), low=parse_selection("a")).order_for(METAINFO)
    assert order == PickingOrder(high=0b1100, low=0b11)


def test_everything_may_be_of_low_priority():
    assert Preference(low=FileSelection()).order_for(METAINFO).low == 0b111111


def test_what_selects_nothing_is_refused():
    with pytest.raises(LocalProtocolError):
        Preference(high=parse_selection("d")).order_for(METAINFO)
