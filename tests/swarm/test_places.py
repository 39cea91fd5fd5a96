from contextlib import ExitStack

from magnetite.swarm.places import Places


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


def test_there_is_always_a_place_to_dial():
    assert Places(per_torrent=1, in_all=1).may_dial(0)
