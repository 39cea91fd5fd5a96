from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from magnetite.cli.config import read_config
from magnetite.cli.exit_codes import ExitCode
from magnetite.cli.program import magnetite
from tests.cli.conftest import Invoke

DOCUMENTATION = Path(__file__).parents[2].joinpath("docs", "cli.md").read_text()


def verbs(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for verb in [group.get_command(context, name) for name in group.list_commands(context)]:
        if isinstance(verb, click.Group):
            yield from verbs(verb, *names, str(verb.name))
        else:
            yield ".".join([*names, str(verb.name)]), verb


VERBS = dict(verbs(magnetite))
FLAGS = [(name, option) for name, verb in VERBS.items() for option in verb.params if isinstance(option, click.Option)]
EXAMPLES = {
    "bind": "127.0.0.1",
    "proxy": "socks5://127.0.0.1:1080",
    "bootstrap": "example.org:6881",
    "files": "*.iso",
    "max-download": "500k",
    "max-upload": "2M",
    "metrics": "127.0.0.1:9881",
    "peer": "192.0.2.7:6881",
    "serve": "127.0.0.1:9882",
}


def long_name(option: click.Option) -> str:
    return next(name for name in option.opts if name.startswith("--")).removeprefix("--")


def example(option: click.Option) -> object:
    """A value that the flag takes, and that is not its default."""
    if option.is_flag:
        return True
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
        return 1
    if isinstance(option.type, click.Choice):
        return option.type.choices[-1]
    return EXAMPLES.get(long_name(option), "/tmp/something")


def effect(verb: str, *arguments: str, defaults: Any = None) -> dict[str, object]:
    """The parameters a verb would be called with."""
    needed = ["something" for each in VERBS[verb].params if isinstance(each, click.Argument)]
    for name in verb.split("."):
        defaults = (defaults or {}).get(name)
    return VERBS[verb].make_context(verb, [*arguments, *needed], default_map=defaults).params


@pytest.mark.parametrize(("verb", "option"), FLAGS, ids=[f"{verb} {long_name(option)}" for verb, option in FLAGS])
def test_every_flag_of_every_verb_can_be_set(verb: str, option: click.Option, tmp_path: Path) -> None:
    value = example(option)
    toml = str(value).lower() if isinstance(value, int) else f"'{value}'"
    path = tmp_path / "config.toml"
    path.write_text(f"[{verb}]\n{long_name(option)} = {toml}\n")
    typed = [f"--{long_name(option)}"] if option.is_flag or option.count else [f"--{long_name(option)}", str(value)]
    assert effect(verb, defaults=read_config(path, magnetite)) == effect(verb, *typed) != effect(verb)


def test_a_rate_may_be_a_number_of_bytes(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("max-download = 500000\n")
    assert effect("get", defaults=read_config(path, magnetite)) == effect("get", "--max-download", "500000")
    path.write_text("max-download = 12\n")
    with pytest.raises(click.UsageError, match=r"max-download: .*too slow"):
        read_config(path, magnetite)


def test_what_is_typed_counts_more(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[get]\nport = 1\nbootstrap = ['a:1', 'b:2']\n")
    params = effect("get", "--port", "2", "--bootstrap", "c:3", defaults=read_config(path, magnetite))
    assert (params["port"], params["bootstrap"]) == (2, (("c", 3),))


def test_a_key_at_the_top_is_for_all_verbs_that_have_the_flag_and_a_section_counts_more(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("state = '/tmp/all'\njson = true\n[node]\nstate = '/tmp/node'\n")
    defaults = read_config(path, magnetite)
    assert effect("get", defaults=defaults)["state"] == Path("/tmp/all")
    assert effect("node", defaults=defaults)["state"] == Path("/tmp/node")
    assert effect("create", defaults=defaults)["as_json"] is True
    assert "state" not in defaults["create"]


def test_verbs_that_belong_to_another_have_sections_within_its_own(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("port = 1\n[item.get]\nport = 2\n")
    defaults = read_config(path, magnetite)
    assert effect("item.get", defaults=defaults)["port"] == 2
    assert effect("item.put", defaults=defaults)["port"] == 1


def test_false_is_as_if_the_flag_were_not_there(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[get]\nno-dht = false\nkeep-seeding = false\n")
    assert effect("get", defaults=read_config(path, magnetite)) == effect("get")


def test_a_path_may_begin_at_home(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("state = '~/state'\n")
    assert effect("node", defaults=read_config(path, magnetite))["state"] == Path.home() / "state"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[node]\nprot = 1", ["[node] prot", "--prot"]),
        ("[nodes]\nport = 1", ["[nodes]"]),
        ("[item.give]\nport = 1", ["[item.give]"]),
        ("[item]\nport = 1", ["[item] port"]),
        ("metrics = '127.0.0.1:1'", ["metrics", "[node]"]),
        ("nonsense = 1", ["'nonsense'"]),
        ("[node]\nhelp = true", ["[node] help"]),
        ("[node]\nport = '6881'", ["[node] port", "a whole number", "'6881'"]),
        ("[node]\nport = true", ["[node] port", "a whole number"]),
        ("[node]\nport = 65536", ["[node] port", "65536"]),
        ("[node]\nport = [6881]", ["[node] port", "a whole number"]),
        ("[node]\nport = {a = 1}", ["[node] port", "a whole number"]),
        ("[node]\nquery-rate = 'fast'", ["[node] query-rate", "a number"]),
        ("[node]\nquery-rate = nan", ["[node] query-rate", "a number"]),
        ("[node]\nquery-rate = 0", ["[node] query-rate"]),
        ("[node]\nbind = ['0.0.0.0', 'localhost']", ["[node] bind", "localhost"]),
        ("[node]\nbind = [1]", ["[node] bind", "a string"]),
        ("[node]\nread-only = 'maybe'", ["[node] read-only", "maybe"]),
        ("[node]\nread-only = true", ["[node] read-only", "a string"]),
        ("[node]\nmetrics = '9881'", ["[node] metrics", "9881"]),
        ("[node]\nstate = 2020-01-01", ["[node] state", "a string"]),
        ("[get]\nno-dht = 'yes'", ["[get] no-dht", "true or false"]),
        ("[node\nport = 1", ["TOML", "line 1"]),
        ("port = 1\nport = 2", ["TOML"]),
        ("\udcff", ["TOML"]),
    ],
)
def test_2_for_what_makes_no_sense_and_the_message_names_the_place(
    invoke: Invoke, tmp_path: Path, text: str, named: list[str]
) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    result = invoke("--config", path, "status", "--state", tmp_path)
    assert result.code == ExitCode.USAGE
    assert not [each for each in [str(path), *named] if each not in result.err.replace("\n", " ")]
    assert "Traceback" not in result.err


def test_2_for_a_file_that_is_not_there(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("--config", tmp_path / "missing.toml", "status")
    assert result.code == ExitCode.USAGE
    assert "missing.toml" in result.err


def test_the_users_own_file_is_read_if_it_is_there(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magnetite.cli.program.user_config_path", lambda name: tmp_path / name)
    assert invoke("status", "--state", tmp_path).code == ExitCode.NO_NODE
    (tmp_path / "magnetite").mkdir()
    (tmp_path / "magnetite" / "config.toml").write_text("[status]\nstate = '/tmp/of-the-user'\n")
    assert "/tmp/of-the-user" in invoke("status").err


def test_the_example_in_the_documentation_is_one(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(DOCUMENTATION.partition("```toml\n")[2].partition("```")[0])
    defaults = read_config(path, magnetite)
    assert defaults["node"]["metrics"]
    assert defaults["get"]["state"]
