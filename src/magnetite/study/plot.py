"""Plots of a study's rows: each has axes with units, and says how many values of which seeds it shows.

Every function returns a matplotlib Figure, which may be drawn on: `figure.axes[0]`. matplotlib, of the extra `study`,
is imported with the first: workers, which only measure, need not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from magnetite.study.figures import caption
from magnetite.study.needed import needing

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE: Final = (7.0, 4.2)  # inches
FIRST, LAST = 0.05, 0.95  # quantiles between which a band lies


def lines(
    data: pandas.DataFrame,
    x: str,
    y: str,
    *,
    xlabel: str,
    ylabel: str,
    by: str | None = None,
    title: str = "",
    log: str = "",
    band: bool = True,
    mean: bool = False,
) -> Figure:
    """The median of column `y` for each value of `x`, a line for each value of `by`, with the 5-95 % `band`.

    The `mean` in its place, without a band, is for small counts and for truths, whose mean is a share. `log` names the
    axes that are logarithmic: "x", "y" or "xy".
    """
    figure, axes = _page(xlabel, ylabel, title, log)
    for label, part in _parts(data, by):
        grouped = part.groupby(x)[y]
        middle = grouped.mean() if mean else grouped.median()
        axes.plot(middle.index, middle, marker="o", markersize=4, label=label)
        if band and not mean and len(part) > len(middle):
            axes.fill_between(middle.index, grouped.quantile(FIRST), grouped.quantile(LAST), alpha=0.2)
    return _finish(figure, axes, data, by)


def cdf(
    data: pandas.DataFrame, column: str, *, xlabel: str, by: str | None = None, title: str = "", log: str = ""
) -> Figure:
    """The share of values of a column that are at most so large, a curve for each value of `by`."""
    figure, axes = _page(xlabel, "share of values", title, log)
    for label, part in _parts(data, by):
        values = sorted(part[column].dropna())
        shares = [number / len(values) for number in range(1, len(values) + 1)]
        axes.step(values, shares, where="post", label=label)
    axes.set_ylim(0, 1.02)
    return _finish(figure, axes, data, by)


def series(
    data: pandas.DataFrame,
    columns: str | Sequence[str],
    *,
    ylabel: str,
    time: str = "time",
    by: str | None = None,
    title: str = "",
    log: str = "",
) -> Figure:
    """Columns over time in seconds, each run's line faint where there are several, their median strong."""
    names = [columns] if isinstance(columns, str) else list(columns)
    figure, axes = _page("time [s]", ylabel, title, log)
    for label, part in _parts(data, by):
        for name in names:
            for _, one in part.groupby("seed") if part["seed"].nunique() > 1 else ():
                axes.plot(one[time], one[name], color="0.8", linewidth=0.8)
            middle = part.groupby(time)[name].median()
            axes.plot(middle.index, middle, label=name if label is None else f"{label} {name}".strip())
    return _finish(figure, axes, data, by if len(names) == 1 else "columns")


def availability(data: pandas.DataFrame, *, time: str = "time", piece: str = "piece", copies: str = "copies") -> Figure:
    """How many copies of each piece there are over time, as a heat map; rows of time, piece and copies."""
    table = data.pivot_table(index=piece, columns=time, values=copies, aggfunc="mean")
    figure, axes = _page("time [s]", "piece", "")
    times = table.columns.to_numpy(dtype=float)
    mesh = axes.pcolormesh(times, table.index, table.to_numpy(), shading="nearest", cmap="viridis")
    figure.colorbar(mesh, ax=axes, label="copies in the swarm")
    return _finish(figure, axes, data, None)


def lookup_path(
    data: pandas.DataFrame,
    *,
    time: str = "time",
    distance: str = "bits",
    answered: str = "answered",
    title: str = "",
) -> Figure:
    """Whom a lookup asked, when, and how near it was: rows of time in seconds, bits shared with the target, and whether
    it answered (see `LookupPath`). The line is the nearest that had answered until then."""
    figure, axes = _page("time since the lookup began [s]", "bits shared with the target", title)
    replied = data[data[answered].astype(bool)].sort_values(time)
    silent = data[~data[answered].astype(bool)]
    axes.scatter(replied[time], replied[distance], s=14, label="answered")
    axes.scatter(silent[time], silent[distance], s=14, marker="x", label="silent")
    if len(replied):
        axes.step(replied[time], replied[distance].cummax(), where="post", linewidth=1, label="nearest so far")
    return _finish(figure, axes, data, "kind")


def _page(xlabel: str, ylabel: str, title: str, log: str = "") -> tuple[Figure, Axes]:
    with needing("study"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title)
    if "x" in log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    if "y" in log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    return figure, axes


def _parts(data: pandas.DataFrame, by: str | None) -> Iterator[tuple[str | None, Any]]:
    """The rows of each line, and its name."""
    if by is None:
        yield None, data
        return
    groups: Iterable[tuple[Any, Any]] = data.groupby(by, sort=True)
    for value, part in groups:
        yield f"{by} {value}" if isinstance(value, int | float) else str(value), part


def _finish(figure: Figure, axes: Axes, data: pandas.DataFrame, legend: str | None) -> Figure:
    if legend is not None and axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small")
    figure.supxlabel(caption(data), fontsize="x-small", color="0.35")
    return figure
