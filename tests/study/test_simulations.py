"""Every study of simulations/ in its small size, and the first study of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from magnetite.study.performing import perform
from magnetite.study.points import points
from magnetite.study.report import Report, frame_of
from magnetite.study.study import Study, find, load

ROOT = Path(__file__).parent.parent.parent
STUDIES = sorted((ROOT / "simulations").glob("[!_]*.py"))


def small(study: Study) -> list[Report]:
    reports = []
    for point in points(study, study.small):
        result = perform(study.source, point)
        assert isinstance(result, Report), result.text
        reports.append(result)
    return reports


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_holds_in_its_small_size(path: Path) -> None:
    study = load(find(str(path)))
    data = frame_of(small(study))
    assert study.figures is not None
    assert study.figures(data)
    assert study.verdict is not None
    verdict = study.verdict(data)
    assert verdict
    assert not [claim for claim, held in verdict.items() if not held]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_says_its_question_and_its_command_and_is_in_the_index_with_its_picture(path: Path) -> None:
    study = load(find(str(path)))
    index = (ROOT / "simulations" / "README.md").read_text()
    assert study.question.endswith("?")
    assert f"    magnetite simulate {study.name}" in study.text
    assert f"[{study.name}]({study.name}.py)" in index
    page = f"results/{study.name}.md"
    assert f"[![{study.name}](results/{study.name}-1.png)]({page})" in index
    assert "Published" in (ROOT / "simulations" / page).read_text()


def test_the_first_study_of_the_documentation_runs(tmp_path: Path) -> None:
    [text] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "simulation.md").read_text(), re.DOTALL)
    (tmp_path / "wait.py").write_text(text)
    study = load(find(str(tmp_path / "wait.py")))
    slow, fast = (report.rows[0]["seconds"] for report in small(study))
    assert slow > fast
    assert study.figures is not None
    assert study.figures(frame_of(small(study)))
    assert len([line for line in text.splitlines() if line.strip()]) <= 15
