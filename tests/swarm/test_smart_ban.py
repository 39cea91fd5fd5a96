from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from magnetite.endpoint import Endpoint
from magnetite.swarm.smart_ban import MOST_FAILURES, SmartBan
from magnetite.wire.messages import BLOCK_LENGTH
from tests.swarm.swarms import content

BLOCKS = 5
LENGTH = (BLOCKS - 1) * BLOCK_LENGTH + 100  # the last block is short
RIGHT = content(LENGTH)


def peer(number: int, port: int = 6881) -> Endpoint:
    return Endpoint(f"10.0.0.{number}", port)


def spoilt(wrong: Sequence[int]) -> bytes:
    """The piece with one byte changed in each of the `wrong` blocks."""
    data = bytearray(RIGHT)
    for block in wrong:
        data[block * BLOCK_LENGTH + 99] ^= 1
    return bytes(data)


@given(
    senders=st.lists(st.integers(1, 4), min_size=BLOCKS, max_size=BLOCKS),
    wrong=st.sets(st.integers(0, BLOCKS - 1), min_size=1),
)
def test_exactly_those_who_sent_a_wrong_block_are_liars(senders: list[int], wrong: set[int]) -> None:
    ban = SmartBan()
    ban.on_failed(7, spoilt(sorted(wrong)), [peer(number) for number in senders])
    assert all(ban.is_suspect(peer(number).ip) for number in senders)
    assert set(ban.on_verified(7, RIGHT)) == {peer(senders[block]) for block in wrong}
    assert not any(ban.is_suspect(peer(number).ip) for number in senders)
    assert ban.on_verified(7, RIGHT) == []


def test_a_liar_is_found_by_any_of_the_times_a_piece_was_wrong() -> None:
    ban = SmartBan()
    ban.on_failed(7, spoilt([0]), [peer(1)] + [peer(2)] * 4)
    ban.on_failed(7, spoilt([4]), [peer(2)] * 4 + [peer(3)])
    assert set(ban.on_verified(7, RIGHT)) == {peer(1), peer(3)}


def test_a_liar_that_came_back_with_another_port_is_one_and_the_same() -> None:
    ban = SmartBan()
    ban.on_failed(7, spoilt([0, 1]), [peer(1, 1000), peer(1, 2000), *[peer(2)] * 3])
    assert [liar.ip for liar in ban.on_verified(7, RIGHT)] == ["10.0.0.1"]


def test_another_piece_says_nothing_of_this_one() -> None:
    ban = SmartBan()
    ban.on_failed(7, spoilt([0]), [peer(1)] + [peer(2)] * 4)
    assert ban.on_verified(8, RIGHT) == []
    assert ban.is_suspect("10.0.0.1")
    assert ban.on_verified(7, RIGHT) == [peer(1)]


def test_who_is_acquitted_is_no_suspect_and_is_found_out_all_the_same() -> None:
    ban = SmartBan()
    ban.on_failed(7, spoilt([0]), [peer(1)] + [peer(2)] * 4)
    ban.acquit("10.0.0.1")
    assert not ban.is_suspect("10.0.0.1")
    assert ban.is_suspect("10.0.0.2")
    assert ban.on_verified(7, RIGHT) == [peer(1)]


def test_only_a_few_wrong_pieces_are_remembered_and_the_oldest_is_forgotten_first() -> None:
    ban = SmartBan()
    for piece in range(MOST_FAILURES + 1):
        ban.on_failed(piece, spoilt([0]), [peer(piece)] + [peer(99)] * 4)
    assert not ban.is_suspect("10.0.0.0")
    assert ban.on_verified(0, RIGHT) == []
    assert ban.on_verified(1, RIGHT) == [peer(1)]
    assert len(ban._failures) == MOST_FAILURES - 1
