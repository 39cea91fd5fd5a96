"""What may happen to a packet on its way: rules, and the ones everybody needs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import exp, inf
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
    """The `rules` of a fabric, in order: the first that does not let a packet pass decides.

    Each rule draws from a stream of chance of its own, so that adding one leaves what the others do unchanged.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._added = 0
        self.rules: list[tuple[Rule, Random]] = []  # each with its stream of chance

    def add(self, rule: Rule) -> None:
        self.rules.append((rule, Random(f"{self._seed}/{self._added}")))
        self._added += 1

    def remove(self, rule: Rule) -> None:
        """Raises ValueError if it is not there."""
        kept = [entry for entry in self.rules if entry[0] is not rule]
        if len(kept) == len(self.rules):
            raise ValueError("no such rule")
        self.rules = kept

    def judge(self, packet: Packet) -> Verdict:
        for rule, rng in self.rules:
            verdict = rule(packet, rng)
            if verdict is not PASS:
                return verdict
        return PASS


def loss(probability: float, *, streams: bool = False) -> Rule:
    """Packets are lost one by one, independently: datagrams, and segments of streams too if that is wanted.

    A stream without congestion (see `Fabric`) waits a second for each of its blocks that is lost: spare it that.
    """

    def rule(packet: Packet, rng: Random) -> Verdict:
        return DROP if (streams or not packet.is_segment) and rng.random() < probability else PASS

    return rule


def bursts(good: float, bad: float, *, loses: float = 1.0, streams: bool = False) -> Rule:
    """Packets are lost in bursts: each sender's line is good for a time, then bad (Gilbert 1960, Elliott 1963).

    `good` and `bad` are mean durations in seconds, exponential; of what is sent in a bad one a share `loses` is lost.
    All in all that is loses * bad / (good + bad). Between two packets of a sender the line's state is drawn, not kept.
    """
    share = bad / (good + bad)
    rate = 1 / good + 1 / bad
    lines: dict[str, tuple[float, bool]] = {}  # sender -> when it was looked at last, and whether it was bad

    def rule(packet: Packet, rng: Random) -> Verdict:
        if packet.is_segment and not streams:
            return PASS
        at, was_bad = lines.get(packet.source.ip, (-inf, False))
        is_bad = rng.random() < share + (was_bad - share) * exp(rate * (at - packet.time))
        lines[packet.source.ip] = packet.time, is_bad
        return DROP if is_bad and rng.random() < loses else PASS

    return rule


def jitter(mean: float) -> Rule:
    """Datagrams take longer by a time of their own, exponential, and so overtake each other. Add it after losses."""
    return lambda packet, rng: PASS if packet.is_segment else Delay(rng.expovariate(1 / mean))


def duplication(probability: float, after: float = 0.0) -> Rule:
    """Some datagrams arrive twice, the second time that many seconds later."""
    twice = Duplicate(after)
    return lambda packet, rng: twice if not packet.is_segment and rng.random() < probability else PASS


def corruption(probability: float) -> Rule:
    """One bit of some datagrams is another. UDP's checksum would find most: this is for what comes through it."""

    def rule(packet: Packet, rng: Random) -> Verdict:
        if packet.is_segment or not packet.data or rng.random() >= probability:
            return PASS
        data = bytearray(packet.data)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return Corrupt(bytes(data))

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
