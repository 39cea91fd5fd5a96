from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from magnetite.cli.exit_codes import MEANINGS
from magnetite.cli.program import magnetite
from tests.cli.conftest import Invoke


def verbs(group: click.Group, *names: str) -> Iterator[str]:
    """`get`, `item get`: what is typed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        verb = group.get_command(context, name)
        if isinstance(verb, click.Group):
            yield from verbs(verb, *names, name)
        else:
            yield " ".join([*names, name])


@pytest.mark.parametrize("verb", list(verbs(magnetite)))
def test_the_help_of_every_verb_has_an_example_and_the_common_options(invoke: Invoke, verb: str) -> None:
    result = invoke(*verb.split(), "--help")
    assert result.code == 0
    assert f"magnetite {verb}" in result.out.partition("Example:")[2]
    assert "--json" in result.out
    assert "--verbose" in result.out


def test_the_verbs_are_these() -> None:
    asking = {"peers", "scrape", "sample", "publish", "item get", "item put", "item key"}
    using = {"get", "info", "share", "create", "verify", "node", "status", "demo", "simulate"}
    assert set(verbs(magnetite)) == using | asking


def test_the_help_of_the_program_explains_every_exit_status(invoke: Invoke) -> None:
    out = invoke("--help").out
    assert not [code for code, meaning in MEANINGS.items() if f"{code:3}  {meaning}" not in out]


def test_the_version_is_told(invoke: Invoke) -> None:
    assert invoke("--version").out.startswith("magnetite, version ")
