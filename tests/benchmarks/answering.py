"""How much an answer costs, how many there are, and who gets them (A1 to A4)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count, cycle
from random import Random
from statistics import median

from tests.benchmarks.figures import Figure
from tests.benchmarks.load import Crowd, Shot
from tests.benchmarks.node_process import ROOT, NodeProcess, running

ROUNDS = 25
SLICE = 0.4  # seconds of a measurement of a cost: short, so that both sides meet the same machine
SECONDS = 3.0  # of each measurement
SOURCES = 200
STRANGERS = 2_000  # the first source that is no member
WINDOW = 64  # queries unanswered at a time while the node is saturated


class Subject:
    """A node under load, with a crowd of its own that has filled its routing table."""

    def __init__(self, stack: ExitStack, kind: str, patience: float = 40.0) -> None:
        self.crowd = stack.enter_context(Crowd())
        self.node: NodeProcess = stack.enter_context(running(kind, self.crowd.port))
        self.crowd.aim(self.node.port)
        self._warm(patience)

    def _warm(self, patience: float) -> None:
        """Have the node look for ids near and far, until its table is full."""
        rng = Random(0)
        own_id = self.crowd.identify()
        self.crowd.settle_around(own_id)
        if patience:
            self.crowd.introduce()
        while patience > 0 and self.node.contacts() < 300:
            for bits in range(14):
                self.node.find(own_id ^ (1 << (159 - bits)) ^ rng.getrandbits(159 - bits))
            self.crowd.idle(3)
            patience -= 3

    def cost(self, method: str, seconds: float, rng: Random) -> tuple[float, float]:
        """CPU microseconds of the node for each answer, and answers/s, while it is kept busy."""
        before = self.node.cpu_seconds()
        tally = self.crowd.saturate(questions(method, rng), window=WINDOW, seconds=seconds)
        return (self.node.cpu_seconds() - before) / tally.answered * 1e6, tally.rate


def questions(method: str, rng: Random, sources: int = SOURCES) -> Iterator[Shot]:
    """Queries for targets drawn at random, from each source in turn."""
    key = b"6:target20:" if method == "find_node" else b"9:info_hash20:"
    name = b"%d:%b" % (len(method), method.encode())
    for source in cycle(range(STRANGERS, STRANGERS + sources)):
        yield Shot(source, name, key + rng.randbytes(20))


def cost_against_libtorrent(rounds: int = ROUNDS, seconds: float = SLICE, patience: float = 40.0) -> list[Figure]:
    """A1. Both nodes stay up, and are measured in turns."""
    try:
        import libtorrent  # noqa: F401
    except ImportError:
        return [Figure("A1 CPU of an answer", "<= 1.3 x libtorrent", "libtorrent is not installed")]
    rng = Random(1)
    figures = []
    with ExitStack() as stack:
        ours, theirs = (Subject(stack, kind, patience) for kind in ("raised", "libtorrent"))
        tables = f"tables of {ours.node.contacts()} and {theirs.node.contacts()}"
        for method in ("find_node", "get_peers"):
            pairs = [(ours.cost(method, seconds, rng), theirs.cost(method, seconds, rng)) for _ in range(rounds)]
            our_cost, our_rate = (median(column) for column in zip(*[pair[0] for pair in pairs], strict=True))
            their_cost, their_rate = (median(column) for column in zip(*[pair[1] for pair in pairs], strict=True))
            ratio = median(ours[0] / theirs[0] for ours, theirs in pairs)
            figures.append(
                Figure(
                    f"A1 CPU of a {method} answer, {tables}",
                    "<= 1.3 x libtorrent",
                    f"{ratio:.2f} ({our_cost:.1f} us against {their_cost:.1f}; "
                    f"{our_rate:,.0f} answers/s against {their_rate:,.0f})",
                    ratio <= 1.3,
                )
            )
    return figures


def share_by_default(seconds: float = 10.0) -> list[Figure]:
    """A2."""
    with ExitStack() as stack:
        subject = Subject(stack, "magnetite", patience=0)
        [tally] = subject.crowd.offer(questions("get_peers", Random(2)), rate=200, seconds=seconds)
    return [
        Figure(
            "A2 answered by default, 200 queries/s of 200 addresses", "100 %", f"{tally.share:.2%}", tally.share == 1
        )
    ]


def goodput_under_overload(rounds: int = 3, seconds: float = SECONDS) -> list[Figure]:
    """A3, twice: where the processor is the limit, and where the budget is."""
    rng = Random(3)
    figures = []
    with ExitStack() as stack:
        subject = Subject(stack, "raised", patience=0)
        peaks, goodputs, offered = [], [], []
        for _ in range(rounds):
            peaks.append(subject.crowd.saturate(questions("get_peers", rng), window=256, seconds=seconds).rate)
            answered, sent = _under_flood(subject.node, 3 * peaks[-1], seconds)
            goodputs.append(answered / peaks[-1])
            offered.append(sent / peaks[-1])
        figures.append(
            Figure(
                f"A3 goodput, processor the limit ({median(peaks):,.0f}/s), offered {median(offered):.1f} x that",
                ">= 80 % of the peak",
                f"{median(goodputs):.0%}",
                median(goodputs) >= 0.8,
            )
        )
    with ExitStack() as stack:
        subject = Subject(stack, "magnetite", patience=0)
        # An answer without contacts is 100 bytes: half of the sources' own limits is 5,000/s, twice the budget
        sources = 1_000
        [most] = subject.crowd.offer(questions("get_peers", rng, sources), rate=2_500, seconds=2 * seconds)
        [tally] = subject.crowd.offer(questions("get_peers", rng, sources), rate=7_500, seconds=2 * seconds)
        share = tally.rate / most.rate
        figures.append(
            Figure(
                f"A3 goodput, budget the limit ({most.rate:,.0f}/s at 2,500/s offered), offered 7,500/s",
                ">= 80 % of the peak",
                f"{share:.0%}",
                share >= 0.8,
            )
        )
    return figures


def _under_flood(node: NodeProcess, rate: float, seconds: float) -> tuple[float, float]:
    """Queries/s that the node answered, and that were offered, by a process that does nothing else."""
    command = [sys.executable, "-m", "tests.benchmarks.flood", str(node.port), str(rate), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as flood:
        time.sleep(seconds / 4)  # until it runs, and the buffers are full
        before, started = node.answered(), time.perf_counter()
        time.sleep(seconds / 2)
        answered, lasted = node.answered() - before, time.perf_counter() - started
        assert flood.stdout is not None
        sent = int(flood.stdout.read())
    return answered / lasted, sent / seconds


def share_beside_an_abuser(seconds: float = 10.0) -> list[Figure]:
    """A4. 1,200 queries/s: of six, five are the abuser's."""
    rng = Random(4)

    def shots() -> Iterator[Shot]:
        honest = questions("get_peers", rng)
        for number in count():
            if number % 6:
                yield Shot(1_000, b"9:get_peers", b"9:info_hash20:" + rng.randbytes(20), tally=1)
            else:
                yield next(honest)

    with ExitStack() as stack:
        subject = Subject(stack, "magnetite", patience=0)
        good, bad = subject.crowd.offer(shots(), rate=1_200, seconds=seconds, tallies=2)
    return [
        Figure(
            "A4 answered of 200 honest sources at 1/s, beside one at 1,000/s",
            ">= 99 %",
            f"{good.share:.2%} (of the abuser's {bad.share:.1%})",
            good.share >= 0.99,
        )
    ]
