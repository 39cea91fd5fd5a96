"""What happens to packets on their way."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.simnet import Fabric, VirtualClock
from magnetite.simnet.faults import (
    DROP,
    PASS,
    Corrupt,
    Delay,
    Duplicate,
    Packet,
    Rule,
    Verdict,
    bursts,
    corruption,
    duplication,
    jitter,
    loss,
    partition,
    unreachable,
)

A, B, C = (Endpoint(f"10.0.0.{host}", 6881) for host in (1, 2, 3))


async def received(fabric: Fabric, *sent: bytes) -> list[tuple[float, bytes]]:
    """What B gets of what A sends at once, with the times."""
    a, b = await fabric.host(A.ip).open_udp(A), await fabric.host(B.ip).open_udp(B)
    for data in sent:
        assert a.send(data, B)
    seen: list[tuple[float, bytes]] = []
    with trio.move_on_after(10):
        while True:
            seen += [(round(trio.current_time(), 6), datagram.data) for datagram in await b.receive_batch()]
    return seen


def verdict_on(data: bytes, verdict: Verdict) -> Rule:
    return lambda packet, rng: verdict if packet.data == data else PASS


async def test_each_verdict_does_what_it_says(fabric: Fabric) -> None:
    fabric.faults.add(verdict_on(b"dropped", DROP))
    fabric.faults.add(verdict_on(b"late", Delay(1.0)))
    fabric.faults.add(verdict_on(b"twice", Duplicate(0.5)))
    fabric.faults.add(verdict_on(b"intact", Corrupt(b"broken")))
    assert await received(fabric, b"late", b"twice", b"dropped", b"intact", b"plain") == [
        (0.02, b"twice"),
        (0.02, b"broken"),
        (0.02, b"plain"),
        (0.52, b"twice"),
        (1.02, b"late"),
    ]


async def test_the_first_rule_that_does_not_pass_decides(fabric: Fabric) -> None:
    fabric.faults.add(verdict_on(b"x", Corrupt(b"first")))
    fabric.faults.add(verdict_on(b"x", DROP))
    assert await received(fabric, b"x") == [(0.02, b"first")]


async def test_a_removed_rule_is_gone(fabric: Fabric) -> None:
    rule = verdict_on(b"x", DROP)
    fabric.faults.add(rule)
    fabric.faults.remove(rule)
    with pytest.raises(ValueError, match="no such rule"):
        fabric.faults.remove(rule)
    assert await received(fabric, b"x") == [(0.02, b"x")]


async def test_loss_takes_about_its_share(fabric: Fabric) -> None:
    fabric.faults.add(loss(0.3))
    assert 620 < len(await received(fabric, *[b"x"] * 1000)) < 780


def fates(*rules: Rule) -> list[bool]:
    """Which of a hundred packets the last of the rules drops, all others passing all."""
    fabric = Fabric(VirtualClock(), Random(3), faults=rules)
    packet = Packet(0.0, A, B, b"")
    return [fabric.faults.judge(packet) is DROP for _ in range(100)]


def test_a_rule_draws_from_chance_of_its_own() -> None:
    def spendthrift(packet: Packet, rng: Random) -> Verdict:
        rng.random()
        return PASS

    assert fates(lambda packet, rng: PASS, loss(0.5)) == fates(spendthrift, loss(0.5))
    assert 20 < sum(fates(loss(0.5))) < 80


def test_a_partition_separates_its_sides_and_nothing_else() -> None:
    rule = partition({A.ip}, {B.ip})

    def passes(source: Endpoint, to: Endpoint) -> bool:
        return rule(Packet(0.0, source, to, b""), Random(0)) is PASS

    assert not passes(A, B)
    assert not passes(B, A)
    assert passes(A, C)
    assert passes(C, A)
    assert passes(B, C)


def test_an_unreachable_host_neither_sends_nor_receives() -> None:
    rule = unreachable(A.ip)
    assert rule(Packet(0.0, A, B, b""), Random(0)) is DROP
    assert rule(Packet(0.0, B, A, b""), Random(0)) is DROP
    assert rule(Packet(0.0, B, C, b""), Random(0)) is PASS


# -- the ones that many need -----------------------------------------------------------------------------------------


def judged(rule: Rule, *, gap: float, count: int, is_segment: bool = False) -> list[Verdict]:
    """The verdicts on packets of A's, `gap` seconds one after the other."""
    rng = Random(5)
    return [rule(Packet(number * gap, A, B, b"data", is_segment), rng) for number in range(count)]


def test_segments_are_lost_only_where_that_is_wanted() -> None:
    assert judged(loss(1.0), gap=1, count=3, is_segment=True) == [PASS] * 3
    assert judged(loss(1.0, streams=True), gap=1, count=3, is_segment=True) == [DROP] * 3


def test_bursts_lose_their_share_in_runs_of_their_length() -> None:
    fates = [verdict is DROP for verdict in judged(bursts(good=9.0, bad=1.0), gap=0.01, count=200_000)]
    runs = sum(is_lost and not before for before, is_lost in pairwise(fates))
    assert sum(fates) / len(fates) == pytest.approx(0.1, rel=0.2)
    assert sum(fates) * 0.01 / runs == pytest.approx(1.0, rel=0.2), "seconds"


def test_packets_far_apart_are_lost_independently() -> None:
    fates = [verdict is DROP for verdict in judged(bursts(good=9.0, bad=1.0), gap=100, count=20_000)]
    assert sum(before and after for before, after in pairwise(fates)) / len(fates) == pytest.approx(0.01, rel=0.4)


def test_of_a_bad_time_a_share_gets_through_if_so_wanted() -> None:
    fates = judged(bursts(good=1e-9, bad=1e9, loses=0.5), gap=1, count=2000)
    assert fates.count(DROP) == pytest.approx(1000, rel=0.1)


def test_two_senders_have_bursts_of_their_own() -> None:
    rule, rng = bursts(good=10.0, bad=10.0), Random(1)
    fates = [[rule(Packet(at, source, C, b""), rng) is DROP for source in (A, B)] for at in range(0, 20_000, 50)]
    assert 0.35 < sum(one == other for one, other in fates) / len(fates) < 0.65


async def test_jitter_makes_datagrams_overtake_each_other(fabric: Fabric) -> None:
    fabric.faults.add(jitter(0.1))
    seen = await received(fabric, *[bytes([number]) for number in range(50)])
    assert len(seen) == 50
    assert [data for _, data in seen] != sorted(data for _, data in seen)


async def test_duplicates_arrive_twice_and_corrupt_ones_with_another_bit(fabric: Fabric) -> None:
    fabric.faults.add(corruption(0.3))
    fabric.faults.add(duplication(0.3, after=0.1))
    seen = [data for _, data in await received(fabric, *[b"\0\0\0\0"] * 1000)]
    assert 1150 < len(seen) < 1290
    broken = [data for data in seen if data != b"\0\0\0\0"]
    assert 240 < len(broken) < 360
    assert all(int.from_bytes(data, "big").bit_count() == 1 for data in broken)


def test_streams_are_neither_delayed_nor_changed_by_these() -> None:
    for rule in (jitter(1.0), duplication(1.0), corruption(1.0), bursts(good=1e-9, bad=1e9)):
        assert judged(rule, gap=1, count=3, is_segment=True) == [PASS] * 3
