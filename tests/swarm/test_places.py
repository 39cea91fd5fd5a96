from contextlib import ExitStack

from magnetite.swarm.places import HALF_OPEN, Places


def test_a_torrent_has_so_many_places_and_some_are_kept_for_whoever_dials_us():
    places = Places(per_torrent=5, in_all=100)
    assert [places.may_dial(taken) for taken in range(6)] == [True] * 4 + [False] * 2
    assert [places.may_welcome(taken) for taken in range(6)] == [True] * 5 + [False]


def test_a_client_has_so_many_places_whatever_its_torrents_have():
    places = Places(per_torrent=50, in_all=5)
    with ExitStack() as stack:
        dialled = welcomed = 0
        for _ in range(10):
            dialled += places.may_dial(0)
            welcomed += places.may_welcome(0)
            stack.enter_context(places.taken())
        assert (dialled, welcomed) == (4, 5)
    assert places.may_dial(0)


def test_dials_under_way_are_bounded_whatever_places_there_are():
    places = Places(per_torrent=1000, in_all=1000)
    with ExitStack() as stack:
        for _ in range(HALF_OPEN):
            assert places.may_dial(0)
            stack.enter_context(places.half_open())
        assert not places.may_dial(0)
        assert places.may_welcome(0)
    assert places.may_dial(0)


def test_there_is_always_a_place_to_dial():
    assert Places(per_torrent=1, in_all=1).may_dial(0)


def test_seeds_leave_half_of_the_places_to_others():
    places = Places(per_torrent=10, in_all=4)
    assert [places.may_dial(taken, seeding=True) for taken in (4, 5)] == [True, False]
    with places.taken(), places.taken():
        assert places.may_dial(0)
        assert not places.may_dial(0, seeding=True)
