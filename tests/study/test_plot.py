from __future__ import annotations

import pandas
import pytest
from matplotlib.figure import Figure

from magnetite.study import plot
from magnetite.study.figures import Table, cell

DATA = pandas.DataFrame(
    {
        "seed": [1, 1, 1, 2, 2, 2],
        "time": [0.0, 1.0, 2.0] * 2,
        "piece": [0, 1, 2] * 2,
        "copies": [1, 2, 3, 1, 1, 2],
        "kind": ["a", "b", "a"] * 2,
        "bits": [3, 8, 13, 2, 9, 16],
        "answered": [True, True, False] * 2,
    }
)


@pytest.mark.parametrize(
    "figure",
    [
        plot.lines(DATA, "piece", "copies", xlabel="piece", ylabel="copies", by="kind", log="y"),
        plot.lines(DATA, "piece", "answered", xlabel="piece", ylabel="share that answered", mean=True),
        plot.cdf(DATA, "bits", xlabel="bits [1]", by="kind", log="x"),
        plot.series(DATA, ["copies", "bits"], ylabel="many"),
        plot.series(DATA, "copies", ylabel="copies", by="kind"),
        plot.availability(DATA),
        plot.lookup_path(DATA),
    ],
    ids=["lines", "lines of means", "cdf", "two series", "series", "availability", "lookup path"],
)
def test_every_plot_has_axes_with_names_and_says_how_many_values_of_which_seeds_it_shows(figure: Figure) -> None:
    axes = figure.axes[0]
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert figure.get_supxlabel() == "n = 6; seeds 1 to 2 (2)"
    figure.draw_without_rendering()


def test_a_line_is_of_medians_or_of_means_as_wished() -> None:
    median, mean = (
        plot.lines(DATA, "piece", "copies", xlabel="piece", ylabel="copies", mean=each).axes[0].lines[0]
        for each in (False, True)
    )
    assert list(mean.get_ydata()) == list(DATA.groupby("piece")["copies"].mean())
    assert list(median.get_ydata()) == list(DATA.groupby("piece")["copies"].median())


def test_a_table_shows_its_index_and_as_many_digits_as_say_something() -> None:
    table = Table("Copies", DATA.groupby("piece").agg(copies=("copies", "mean"), runs=("seed", "size")))
    assert table.columns == ["piece", "copies", "runs"]
    assert table.rows[0] == ["0", "1", "2"]
    assert table.markdown().splitlines()[0] == "| piece | copies | runs |"
    assert [cell(value) for value in (12345, 12345.6, 0.012345, True, None, "x")] == [
        "12,345", "12,346", "0.0123", "yes", "", "x"
    ]  # fmt: skip
