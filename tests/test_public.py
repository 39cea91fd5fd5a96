from __future__ import annotations

import subprocess
import sys

import pytest

import magnetite


@pytest.mark.parametrize("name", magnetite.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(magnetite, name).__name__ == name


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        magnetite.no_such_thing  # noqa: B018


def test_importing_the_package_imports_nothing_else_yet() -> None:
    program = (
        "import sys, magnetite; print([name for name in sys.modules if name == 'trio' or name[:10] == 'magnetite.'])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
