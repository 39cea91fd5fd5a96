"""What may happen to a packet on its way: rules, and the ones everybody needs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeAlias

from magnetite.endpoint import Endpoint


class Packet(NamedTuple):
    """A datagram, or a segment of a stream, as it leaves its host at `time`.

    A segment that is dropped is sent again later, as TCP would; it may be dropped and delayed, and nothing else.
    """

    time: float
    source: Endpoint
    to: Endpoint
    data: bytes | memoryview
    is_segment: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing happens to it."""


@dataclass(frozen=True, slots=True)
class Drop:
    """It is lost."""


@dataclass(frozen=True, slots=True)
class Delay:
    """It takes that much longer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Duplicate:
    """It arrives twice, the second time that much later."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Corrupt:
    """It arrives with other bytes."""

    data: bytes


Verdict: TypeAlias = Pass | Drop | Delay | Duplicate | Corrupt
Rule: TypeAlias = Callable[[Packet, Random], Verdict]

PASS = Pass()
DROP = Drop()


class Faults:
    """The rules of a fabric, in order: the first that does not let a packet pass decides.

    Each rule draws from a stream of chance of its own, so that adding one leaves what the others do unchanged.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._added = 0
        self._rules: list[tuple[Rule, Random]] = []

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, rule: Rule) -> None:
        self._rules.append((rule, Random(f"{self._seed}/{self._added}")))
        self._added += 1

    def remove(self, rule: Rule) -> None:
        """Raises ValueError if it is not there."""
        kept = [entry for entry in self._rules if entry[0] is not rule]
        if len(kept) == len(self._rules):
            raise ValueError("no such rule")
        self._rules = kept

    def judge(self, packet: Packet) -> Verdict:
        for rule, rng in self._rules:
            verdict = rule(packet, rng)
            if verdict is not PASS:
                return verdict
        return PASS


def loss(probability: float) -> Rule:
    """Datagrams are lost one by one, independently. Streams are left alone: TCP would hide it."""

    def rule(packet: Packet, rng: Random) -> Verdict:
        return DROP if not packet.is_segment and rng.random() < probability else PASS

    return rule


def partition(left: Collection[str], right: Collection[str]) -> Rule:
    """Nothing passes between two sets of addresses, either way."""
    left, right = frozenset(left), frozenset(right)

    def rule(packet: Packet, rng: Random) -> Verdict:
        source, to = packet.source.ip, packet.to.ip
        return DROP if (source in left and to in right) or (source in right and to in left) else PASS

    return rule


def unreachable(*ips: str) -> Rule:
    """Nothing reaches these hosts or comes from them; they do not notice."""
    gone = frozenset(ips)

    def rule(packet: Packet, rng: Random) -> Verdict:
        return DROP if packet.source.ip in gone or packet.to.ip in gone else PASS

    return rule
