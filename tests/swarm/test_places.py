from magnetite.swarm.places import Places


def test_there_are_so_many_places_and_no_more():
    places = Places(per_torrent=5, in_all=2)
    assert [places.take() for _ in range(3)] == [True, True, False]
    places.give_back()
    assert [places.take() for _ in range(2)] == [True, False]


def test_some_places_of_a_torrent_are_kept_for_whoever_dials_us():
    assert Places().to_dial == 40
    assert Places(per_torrent=5).to_dial == 4
    assert Places(per_torrent=1).to_dial == 1
