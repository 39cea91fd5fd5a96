from __future__ import annotations

import pytest

from magnetite.cli import magnetite
from magnetite.cli.exit_codes import MEANINGS
from tests.cli.conftest import Invoke


@pytest.mark.parametrize("verb", magnetite.commands)
def test_the_help_of_every_verb_has_an_example_and_the_common_options(invoke: Invoke, verb: str) -> None:
    result = invoke(verb, "--help")
    assert result.code == 0
    assert f"magnetite {verb}" in result.out.partition("Example:")[2]
    assert "--json" in result.out
    assert "--verbose" in result.out


def test_the_verbs_are_these() -> None:
    assert set(magnetite.commands) == {"get", "info", "share", "create", "peers", "node", "demo"}


def test_the_help_of_the_program_explains_every_exit_status(invoke: Invoke) -> None:
    out = invoke("--help").out
    assert not [code for code, meaning in MEANINGS.items() if f"{code:3}  {meaning}" not in out]


def test_the_version_is_told(invoke: Invoke) -> None:
    assert invoke("--version").out.startswith("magnetite, version ")
