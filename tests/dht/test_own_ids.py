"""Which id our node has where."""

from __future__ import annotations

from random import Random

from magnetite.dht.own_ids import MAX_ADDRESSES, OwnIds
from magnetite.dht.security import is_valid_id
from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId

ANYWHERE, PUBLIC = Endpoint("0.0.0.0", 1), Endpoint("9.9.9.9", 1)


def test_at_a_public_address_the_first_id_belongs_to_it(rng: Random) -> None:
    assert is_valid_id(OwnIds({}, rng).at_start(PUBLIC), PUBLIC.ip)


def test_the_id_of_last_time_is_taken_up_again(rng: Random) -> None:
    first = OwnIds({}, rng)
    node_id = first.at_start(ANYWHERE)
    assert OwnIds(first.by_ip, rng).at_start(ANYWHERE) == node_id


def test_an_id_that_does_not_belong_to_the_external_address_is_replaced_once(rng: Random) -> None:
    ids = OwnIds({}, rng)
    node_id = ids.at_start(ANYWHERE)
    valid = ids.at_external(ANYWHERE, "8.8.8.8", node_id)
    assert valid != node_id
    assert is_valid_id(valid, "8.8.8.8")
    assert ids.at_external(ANYWHERE, "8.8.8.8", valid) == valid
    assert OwnIds(ids.by_ip, rng).at_start(ANYWHERE) == valid


def test_back_at_a_former_address_the_former_id_is_used(rng: Random) -> None:
    ids = OwnIds({}, rng)
    home = ids.at_external(ANYWHERE, "8.8.8.8", NodeId(1))
    away = ids.at_external(ANYWHERE, "9.9.9.9", home)
    assert away != home
    assert ids.at_external(ANYWHERE, "8.8.8.8", away) == home


def test_a_private_address_changes_nothing(rng: Random) -> None:
    assert OwnIds({}, rng).at_external(ANYWHERE, "10.0.0.1", NodeId(5)) == 5


def test_a_saved_id_that_does_not_belong_to_a_public_address_is_not_used(rng: Random) -> None:
    assert is_valid_id(OwnIds({PUBLIC.ip: NodeId(5)}, rng).at_start(PUBLIC), PUBLIC.ip)


def test_old_places_are_forgotten(rng: Random) -> None:
    ids = OwnIds({}, rng)
    for number in range(2 * MAX_ADDRESSES):
        ids.at_external(ANYWHERE, f"8.8.{number}.8", NodeId(1))
    assert len(ids.by_ip) <= MAX_ADDRESSES
