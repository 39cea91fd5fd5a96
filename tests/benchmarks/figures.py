"""A measured figure beside its target, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


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
