"""That the benchmarks still run; what they measure here means nothing."""

from __future__ import annotations

import pytest

from tests.benchmarks import dht, simulation, transfer, transport, transport_encryption
from tests.benchmarks.figures import Figure, table


@pytest.mark.parametrize("name", ["A1", "A2", "A5", "A7", "B", "D"])
def test_a_quick_run_gives_figures(name: str) -> None:
    figures = dht.MEASURES[name](True)
    assert figures
    assert all(figure.measure.startswith(name) and figure.measured for figure in figures)


def test_a_table_has_a_row_for_each_figure_and_says_what_was_missed() -> None:
    rows = table([Figure("one", "2", "1", False), Figure("other", "", "3")]).splitlines()[2:]
    assert rows == ["| one | 2 | 1 | **missed** |", "| other |  | 3 |  |"]


def test_what_is_not_measured_cannot_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        dht.main(["--only", "A99"])
    assert "A99" in capsys.readouterr().err


def test_a_quick_transfer_gives_figures() -> None:
    figures = transfer.MEASURES["d1"](True)
    assert figures
    assert all(figure.measure.startswith("d1") and figure.measured for figure in figures)


def test_a_quick_run_of_utp_gives_figures() -> None:
    figures = transport.MEASURES["down"](True)
    assert all(figure.measured for figure in figures)
    assert len(figures) == 2


def test_a_transfer_that_is_not_measured_cannot_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        transfer.main(["--only", "d99"])
    assert "d99" in capsys.readouterr().err


def test_a_quick_encrypted_transfer_gives_figures() -> None:
    figures = transport_encryption.MEASURES["rc4"](True)
    assert figures
    assert all(figure.measured for figure in figures)


@pytest.mark.parametrize("name", simulation.ROWS)
def test_a_quick_simulation_gives_figures(name: str) -> None:
    figures = simulation.ROWS[name](True)
    assert figures
    assert all(figure.measured for figure in figures)
    assert name != "determinism" or figures[0].is_met
