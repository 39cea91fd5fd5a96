from dataclasses import replace

import pytest

from magnetite.dht.items import ImmutableItem, Item, MutableItem, sign
from magnetite.dht.messages import Response
from magnetite.dht.newest_item import NewestItem
from magnetite.ids import NodeId

SEED = bytes(range(32))
SALT = b"news"


def version(seq: int, value: bytes = b"1:a") -> MutableItem:
    return sign(SEED, value, seq, SALT)


def told(item: Item, sender: int = 1) -> Response:
    """Answers do not tell the salt."""
    seq = item.seq if isinstance(item, MutableItem) else None
    return Response(b"t", NodeId(sender), item=replace(item, salt=b"") if seq is not None else item, seq=seq)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_highest_sequence_number_wins_whenever_it_comes(order: tuple[int, ...]) -> None:
    newest = NewestItem(version(1).target, SALT)
    for sender, seq in enumerate(order):
        newest.take_in(told(version(seq), sender))
    assert newest.item == version(3)
    assert newest.holders == {NodeId(order.index(3))}


def test_who_tells_the_number_alone_has_it_too() -> None:
    newest = NewestItem(version(4).target, SALT, known=version(4))
    for sender, seq in enumerate((3, 4, 5)):
        newest.take_in(Response(b"t", NodeId(sender), seq=seq))
    assert (newest.item, newest.holders) == (version(4), {NodeId(1)})


@pytest.mark.parametrize(
    "item",
    [
        replace(version(9), seq=10),
        replace(version(9), value=b"1:b"),
        sign(bytes(32), b"1:a", 9, SALT),
        sign(SEED, b"1:a", 9, b"other"),
        ImmutableItem(b"1:a"),
    ],
    ids=["another seq", "another value", "another key", "another salt", "unsigned"],
)
def test_what_its_key_did_not_sign_for_this_target_is_not_believed(item: Item) -> None:
    newest = NewestItem(version(1).target, SALT)
    newest.take_in(told(version(1)))
    newest.take_in(told(item))
    assert newest.item == version(1)


def test_an_immutable_item_is_the_one_with_the_hash() -> None:
    item = ImmutableItem(b"12:Hello World!")
    newest = NewestItem(item.target)
    newest.take_in(told(ImmutableItem(b"5:wrong"), 1))
    newest.take_in(told(item, 2))
    newest.take_in(told(item, 3))
    assert (newest.item, newest.seq) == (item, None)
    assert newest.holders == {NodeId(2), NodeId(3)}
