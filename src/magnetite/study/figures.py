"""What a study ends in: tables and plots, each with its caption, on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under names that say the unit, such as `seconds`; what an index holds comes first."""

    title: str
    frame: pandas.DataFrame

    @property
    def columns(self) -> list[str]:
        return [*(str(name) for name in self.frame.index.names if name is not None), *map(str, self.frame.columns)]

    @property
    def rows(self) -> list[list[str]]:
        """Cells as people read them."""
        frame = self.frame.reset_index() if len(self.columns) > len(self.frame.columns) else self.frame
        return [[cell(value) for value in row] for row in frame.itertuples(index=False)]

    def markdown(self) -> str:
        return "\n".join(_markdown(self.columns, self.rows))


Figures: TypeAlias = "Sequence[Table | Figure]"


def cell(value: object) -> str:
    """A number with as many digits as say something: `1,234`, `12.3`, `0.0123`."""
    value = getattr(value, "item", lambda: value)()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value)


def seeds_of(data: pandas.DataFrame) -> list[int]:
    return sorted({int(seed) for seed in data["seed"]})


def caption(data: pandas.DataFrame, rows: int | None = None) -> str:
    """What every picture says of itself: how many values it shows, and of which seeds."""
    seeds = seeds_of(data)
    named = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} ({len(seeds)})"
    return f"n = {len(data) if rows is None else rows:,}; seed{'s' if len(seeds) > 1 else ''} {named}"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join(" ---: " for _ in columns) + "|"
    yield from ("| " + " | ".join(row) + " |" for row in rows)
