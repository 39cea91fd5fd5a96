"""What simulations cost, and how far models are right: `python -m tests.benchmarks.simulation [--only joins,warm]`.

Prints a Markdown table: measure, target, measured, verdict. Every world runs in a process of its own, whose processor
time and memory are counted from its start to its end; beside them stands how long a fixed loop took there, for a busy
machine is slower by the second of processor time, too. `--quick` shows only that everything still runs: its figures
mean nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.figures import Figure, Measure, print_table

MIB = 1 << 20
GIB = 1 << 30
MOST_OFF = 0.05  # of the production nodes' figures, where models are compared with them


class Failed(Exception):
    """A world did not come to its end."""


def world(name: str, hash_seed: str = "random", **sizes: int) -> dict[str, Any]:
    """What the world of that name says of itself (see simulation_rows). Raises Failed with its last words."""
    given = [f"{key}={value}" for key, value in sizes.items()]
    command = [sys.executable, "-m", "tests.benchmarks.simulation_rows", name, *given]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": hash_seed}
    )
    if done.returncode:
        raise Failed((done.stderr.strip() or f"exit status {done.returncode}").rpartition("\n")[2])
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def cost(facts: dict[str, Any]) -> str:
    return f"{facts['cpu']:.0f} s CPU, {facts['peak'] / MIB:.0f} MiB (loop: {facts['pace'] * 1000:.0f} ms)"


def joins(quick: bool) -> list[Figure]:
    facts = world("joins", nodes=40, lookups=5) if quick else world("joins")
    each = facts["cpu"] / facts["messages"] * 1e6
    measured = f"{cost(facts)}; {facts['joined']} joined by {facts['messages']} messages, {facts['right']:.0%} right"
    return [
        Figure("DHT, production code: CPU a message", "<= 80 us", f"{each:.0f} us", each <= 80),
        Figure(
            "10,000 nodes join for real, 1,000 lookups",
            "<= 90 s CPU, <= 1 GB",
            measured,
            facts["cpu"] <= 90 and facts["peak"] <= GIB,
        ),
    ]


def warm(quick: bool) -> list[Figure]:
    facts = world("warm", nodes=200, lookups=20) if quick else world("warm")
    return [Figure("20,000 nodes warm, 2,000 lookups", "<= 40 s CPU", cost(facts), facts["cpu"] <= 40)]


def crowd(quick: bool) -> list[Figure]:
    return [_crowd(quick, "real bytes and hashes", 8, by_reference=0)]


def reference(quick: bool) -> list[Figure]:
    return [_crowd(quick, "payload by reference", 5, by_reference=1)]


def _crowd(quick: bool, how: str, minutes: int, *, by_reference: int) -> Figure:
    sizes = {"leechers": 4, "pieces": 8, "piece_kib": 32} if quick else {}
    facts = world("swarm", by_reference=by_reference, **sizes)
    return Figure(
        f"200 leechers, 256 pieces of 256 KiB, {how}",
        f"<= {minutes} min CPU",
        f"{cost(facts)}; {facts['cpu'] / facts['blocks'] * 1e6:.0f} us a block",
        facts["cpu"] <= 60 * minutes,
    )


def wide(quick: bool) -> list[Figure]:
    sizes = {"leechers": 4, "pieces": 4} if quick else {"leechers": 1_000, "pieces": 64}
    facts = world("swarm", by_reference=1, block_kib=64, **sizes)
    done = len(facts["done"])
    return [
        Figure(
            "1,000 leechers, blocks of 64 KiB, 64 pieces of 256 KiB",
            "completes, <= 1 GB",
            f"{done} done; {cost(facts)}",
            done == sizes["leechers"] and facts["peak"] <= GIB,
        )
    ]


def model(quick: bool) -> list[Figure]:
    facts = world("model", nodes=10_000, lookups=100) if quick else world("model")
    return [
        Figure(
            "NumPy, 10 M nodes, 50,000 lookups",
            "<= 30 s, <= 500 MB",
            f"{cost(facts)}; {facts['hops']:.2f} hops, {facts['queries']:.1f} queries",
            facts["cpu"] <= 30 and facts["peak"] <= 500 * MIB,
        )
    ]


def agreement(quick: bool) -> list[Figure]:
    sizes = [(400, 20)] if quick else [(3_000, 800), (20_000, 800)]
    return [_agreement(nodes, lookups) for nodes, lookups in sizes]


def _agreement(nodes: int, lookups: int) -> Figure:
    facts = world("agreement", nodes=nodes, lookups=lookups)
    queries, hops = (facts[f"model_{name}"] / facts[name] - 1 for name in ("queries", "hops"))
    measured = f"queries {facts['model_queries']:.1f} for {facts['queries']:.1f} ({queries:+.1%})"
    return Figure(
        f"NumPy against {nodes:,} production nodes, half of the contacts dead",
        "within 5 %",
        f"{measured}, hops {facts['model_hops']:.2f} for {facts['hops']:.2f} ({hops:+.1%})",
        max(abs(queries), abs(hops)) <= MOST_OFF,
    )


def determinism(quick: bool) -> list[Figure]:
    runs = [world("digest", hash_seed) for hash_seed in ("1", "2", "random")]
    digests = {run["digest"] for run in runs}
    return [
        Figure(
            "determinism: 3 processes and hash seeds, with loss, churn and ties",
            "identical digests",
            f"{len(digests)} digest of {runs[0]['events']} events: {min(digests)[:12]}",
            len(digests) == 1,
        )
    ]


ROWS: dict[str, Measure] = {
    "joins": joins,
    "warm": warm,
    "crowd": crowd,
    "reference": reference,
    "wide": wide,
    "model": model,
    "agreement": agreement,
    "determinism": determinism,
}


def figures_of(name: str, quick: bool) -> list[Figure]:
    """What the row gives; a world that failed is a missed figure, and others go on."""
    try:
        return ROWS[name](quick)
    except Failed as failure:
        return [Figure(name, "", str(failure).replace("|", "/"), False)]


def main(arguments: Sequence[str] | None = None) -> None:
    measures = {name: lambda quick, name=name: figures_of(name, quick) for name in ROWS}
    print_table(measures, __doc__ and __doc__.partition("\n")[0], arguments)


if __name__ == "__main__":
    main()
