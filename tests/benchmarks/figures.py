"""A measured figure beside its target, and the table of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Figure:
    """`is_met` is None where there is no target, or where nothing could be measured."""

    measure: str
    target: str
    measured: str
    is_met: bool | None = None


def table(figures: Iterable[Figure]) -> str:
    """A Markdown table: measure, target, measured, verdict."""
    verdicts = {True: "met", False: "**missed**", None: ""}
    rows = [(each.measure, each.target, each.measured, verdicts[each.is_met]) for each in figures]
    lines = [("measure", "target", "measured", "verdict"), ("---",) * 4, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


Measure: TypeAlias = Callable[[bool], list[Figure]]  # told whether to be quick


def print_table(
    measures: Mapping[str, Measure],
    description: str | None,
    arguments: Sequence[str] | None = None,
    complain: Callable[[Sequence[str]], str | None] = lambda chosen: None,
) -> None:
    """A benchmark's command line: takes `--quick` and `--only`, and prints the table of what was chosen.

    `complain` says what keeps the chosen measures from being taken, if anything does.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--only", default=",".join(measures), help=f"some of {','.join(measures)}")
    options = parser.parse_args(arguments)
    chosen = options.only.split(",")
    if unknown := set(chosen) - measures.keys():
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    if complaint := complain(chosen):
        parser.error(complaint)
    figures = []
    for name in chosen:
        began = perf_counter()
        figures += measures[name](options.quick)
        print(f"{name}: {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(figures))
