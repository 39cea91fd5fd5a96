from hypothesis import given
from hypothesis import strategies as st

from magnetite.swarm.deadlines import MOST_DUE, Deadlines
from magnetite.torrent.pieces import indices

WINDOWS = st.lists(
    st.tuples(st.integers(0, 3), st.dictionaries(st.integers(0, 20), st.floats(0, 100), max_size=8)), max_size=20
)


@given(WINDOWS, st.sets(st.integers(0, 20)), st.floats(0, 100))
def test_what_is_due_first_comes_first_whoever_waits_for_it(windows, there, now):
    deadlines, latest = Deadlines(), {}
    for reader, due in windows:
        deadlines.set(reader, due)
        latest[reader] = due
    for piece in there:
        deadlines.met(piece)
    wanted = {}
    for due in latest.values():
        for piece, time in due.items():
            if piece not in there:
                wanted[piece] = min(time, wanted.get(piece, time))
    assert set(deadlines) == wanted.keys()
    assert [wanted[piece] for piece in deadlines] == sorted(wanted.values())
    assert set(deadlines.late(now)) == {piece for piece, time in wanted.items() if time <= now}
    assert bool(deadlines) == bool(wanted)
    assert set(indices(deadlines.pieces)) == wanted.keys()


def test_a_piece_that_is_there_does_not_come_back_with_the_next_window_of_another():
    deadlines = Deadlines()
    deadlines.set("a", {1: 1.0, 2: 2.0})
    deadlines.met(1)
    deadlines.set("b", {3: 3.0})
    assert list(deadlines) == [2, 3]


def test_a_reader_that_leaves_takes_only_its_own_deadlines_with_it():
    deadlines = Deadlines()
    deadlines.set("a", {1: 1.0, 2: 2.0})
    deadlines.set("b", {2: 5.0})
    deadlines.set("a", {})
    assert list(deadlines) == [2]
    assert list(deadlines.late(4.0)) == []


def test_one_reader_has_no_more_than_so_many_deadlines():
    deadlines = Deadlines()
    deadlines.set("a", {piece: float(piece) for piece in range(10 * MOST_DUE)})
    assert list(deadlines) == list(range(MOST_DUE))
