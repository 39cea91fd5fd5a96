"""All that is promised of the DHT, measured: `python -m tests.benchmarks.dht [--quick] [--only A1,A5]`.

Prints a Markdown table: measure, target, measured, verdict. What depends on the machine is a ratio, the sides of which
are measured in turns. `--quick` shows only that everything still runs: its figures mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median, quantiles

from tests.benchmarks import answering, hostile, longevity, lookups, sizes
from tests.benchmarks.figures import Figure, Measure, print_table


def cost(quick: bool) -> list[Figure]:
    return answering.cost_against_libtorrent(1, 0.3, 0) if quick else answering.cost_against_libtorrent()


def default_share(quick: bool) -> list[Figure]:
    return answering.share_by_default(0.5 if quick else 10)


def overload(quick: bool) -> list[Figure]:
    return answering.goodput_under_overload(1, 0.2) if quick else answering.goodput_under_overload()


def abuser(quick: bool) -> list[Figure]:
    return answering.share_beside_an_abuser(0.5 if quick else 10)


def corpus(quick: bool) -> list[Figure]:
    return hostile.hostile_corpus(50 if quick else 3_000)


def longest(quick: bool) -> list[Figure]:
    return sizes.longest_answer(0, 2) if quick else sizes.longest_answer()


def memory(quick: bool) -> list[Figure]:
    return sizes.memory(10, 10, 100) if quick else sizes.memory()


def first_peer(quick: bool) -> list[Figure]:
    """B1 to B3."""
    kinds = lookups.first_peers(300, 5) if quick else lookups.first_peers()
    ours, plain = kinds["magnetite"], kinds["plain"]
    firsts = [(median(each.first), quantiles(each.first, n=100)[98]) for each in (ours, plain)]
    asked = [mean(run.asked for run in each.runs) for each in (ours, plain)]
    thorough = kinds["thorough"].runs  # what whoever stores, and `find_node`, asks
    recall = mean(run.recall for run in thorough)
    (middle, late), (plain_middle, plain_late) = firsts
    return [
        Figure(
            "B1 time to the first peer, median and p99",
            "<= 0.5 s and <= 1.5 s",
            f"{middle:.2f} s and {late:.2f} s (plain: {plain_middle:.2f} s and {plain_late:.2f} s)",
            middle <= 0.5 and late <= 1.5,
        ),
        Figure(
            "B2 recall of the 8 closest live nodes",
            ">= 0.99",
            f"{recall:.4f} by {mean(run.asked for run in thorough):.1f} queries (a search for peers alone: "
            f"{mean(run.recall for run in ours.runs):.2f}; plain: {mean(run.recall for run in plain.runs):.2f})",
            recall >= 0.99,
        ),
        Figure(
            "B3 queries of a lookup",
            "<= 1.5 x the plain variant",
            f"{asked[0]:.1f} against {asked[1]:.1f}: {asked[0] / asked[1]:.2f} x",
            asked[0] <= 1.5 * asked[1],
        ),
    ]


def sybils(quick: bool) -> list[Figure]:
    """D1."""
    figures = []
    for one_subnet, target, where in ((True, 0.99, "one /24"), (False, 0.90, "many /24s")):
        runs = (
            lookups.attacked(300, targets=2, one_subnet=one_subnet)
            if quick
            else lookups.attacked(one_subnet=one_subnet)
        )
        share = lookups.found(runs)
        figures.append(
            Figure(f"D1 found beside 20 Sybils of {where}", f">= {target:.0%}", f"{share:.1%}", share >= target)
        )
    return figures


def churn(quick: bool) -> list[Figure]:
    """C1."""
    seen = longevity.churn(20, 0.5) if quick else longevity.churn()
    alive, found = seen.alive / max(1, seen.handed_out), seen.found / max(1, seen.announced)
    return [
        Figure("C1 contacts handed out that are alive", ">= 95 %", f"{alive:.2%}", alive >= 0.95),
        Figure("C1 announced peers found after 25 min", ">= 99.5 %", f"{found:.2%}", found >= 0.995),
    ]


MEASURES: dict[str, Measure] = {
    "A1": cost,
    "A2": default_share,
    "A3": overload,
    "A4": abuser,
    "A5": corpus,
    "A6": longest,
    "A7": memory,
    "B": first_peer,
    "C": churn,
    "D": sybils,
}


def main(arguments: Sequence[str] | None = None) -> None:
    print_table(MEASURES, __doc__ and __doc__.partition("\n")[0], arguments)


if __name__ == "__main__":
    main()
