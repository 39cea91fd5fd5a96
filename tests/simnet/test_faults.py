"""What happens to packets on their way."""

from __future__ import annotations

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
