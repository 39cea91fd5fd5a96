from __future__ import annotations

from pathlib import Path

import pytest

from magnetite.errors import StudyError
from magnetite.study.study import find, load, names

WHOLE = '"""Does it?"""\nFULL = {"size": 2}\nSMALL = {"size": 1}\nasync def measure(world, size): ...\n'


def written(folder: Path, text: str) -> str:
    path = folder / "sample.py"
    path.write_text(text)
    return str(path)


def test_a_file_is_a_study_by_what_it_defines(tmp_path: Path) -> None:
    study = load(find(written(tmp_path, WHOLE)))
    assert (study.name, study.question, study.parameters) == ("sample", "Does it?", ["size"])
    assert study.figures is study.verdict is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WHOLE.replace("async def", "def"), "async def measure"),
        (WHOLE.replace("SMALL", "TINY"), "no SMALL"),
        (WHOLE.replace('"size": 1', '"sizes": 1'), "no parameter sizes; there are: size"),
        (WHOLE.replace("size", "seed"), "no parameter can be called seed"),
        ("async def measure(:", "line 1: invalid syntax"),
    ],
)
def test_a_file_that_is_no_study_is_told_what_it_lacks(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        load(find(written(tmp_path, text)))


def test_studies_here_are_found_by_name_before_those_of_magnetite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "flash_crowd" in names()
    (tmp_path / "simulations").mkdir()
    written(tmp_path / "simulations", WHOLE)
    assert find("sample").typed == "sample"
    assert names().keys() >= {"sample", "flash_crowd"}


@pytest.mark.parametrize("name", ["nothing", "no/such/file.py"])
def test_what_is_not_there_is_named(name: str) -> None:
    with pytest.raises(StudyError, match=name):
        find(name)
