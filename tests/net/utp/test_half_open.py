"""Who calls is no connection until it has shown that it hears us."""

from __future__ import annotations

from random import Random

from magnetite.endpoint import Endpoint
from magnetite.net.utp.half_open import MOST, PATIENCE, HalfOpen
from magnetite.net.utp.packet import MODULUS, Packet, Type, decode

SOURCE = Endpoint("192.0.2.1", 6881)
SYN = Packet(Type.SYN, 7, 0, 0, 0, 1, 0)


def proof(answer: bytes, off: int = 0) -> Packet:
    """The first packet of a caller that got this answer."""
    return Packet(Type.DATA, 8, 0, 0, 0, 2, (decode(answer).seq_nr - 1 + off) % MODULUS, payload=b"x")


def test_a_caller_that_acks_our_answer_is_taken_once() -> None:
    half_open = HalfOpen(Random(1))
    answer = half_open.answer(SYN, SOURCE, 1000, 5.0)
    assert (decode(answer).type, decode(answer).connection_id, decode(answer).ack_nr) == (Type.STATE, 7, 1)
    caller = half_open.take(proof(answer), SOURCE, 6.0)
    assert caller is not None
    assert (caller.connection_id, caller.syn_nr) == (7, 1)
    assert half_open.take(proof(answer), SOURCE, 6.0) is None


def test_a_caller_that_guesses_or_writes_from_elsewhere_or_too_late_is_not() -> None:
    half_open = HalfOpen(Random(1))
    answer = half_open.answer(SYN, SOURCE, 1000, 5.0)
    assert half_open.take(proof(answer, 1), SOURCE, 6.0) is None
    assert half_open.take(proof(answer), Endpoint("192.0.2.2", 6881), 6.0) is None
    assert half_open.take(proof(answer), SOURCE, 5.0 + PATIENCE) is None
    assert len(half_open) == 0


def test_a_repeated_call_gets_the_same_number_and_another_call_of_the_same_id_a_new_one() -> None:
    half_open = HalfOpen(Random(1))
    first, again = (decode(half_open.answer(SYN, SOURCE, 1000, now)) for now in (5.0, 6.0))
    assert first.seq_nr == again.seq_nr
    other = decode(half_open.answer(Packet(Type.SYN, 7, 0, 0, 0, 9, 0), SOURCE, 1000, 7.0))
    assert other.ack_nr == 9
    assert len(half_open) == 1


def test_callers_are_bounded_and_the_oldest_makes_way() -> None:
    half_open = HalfOpen(Random(1))
    answers = [half_open.answer(SYN, Endpoint("192.0.2.1", port), 1000, 5.0) for port in range(MOST + 1)]
    assert len(half_open) == MOST
    assert half_open.take(proof(answers[0]), Endpoint("192.0.2.1", 0), 6.0) is None
    assert half_open.take(proof(answers[-1]), Endpoint("192.0.2.1", MOST), 6.0) is not None
