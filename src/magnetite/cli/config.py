"""The configuration file: flags that need not be typed every time. Whatever is typed counts more."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Final, TypeAlias

import click

from magnetite.cli.values import Rate

Defaults: TypeAlias = dict[str, object]
"""By verb and parameter, as click's `default_map` wants it; a verb that consists of verbs has them inside."""

LARGEST: Final = 1 << 20  # bytes; a longer file is something else by mistake


def read_config(path: Path, group: click.Group) -> Defaults:
    """The flags set in a TOML file: those of one verb in its section, those of several at the top.

    Raises click.UsageError that names the file, the section and the key: for what no verb knows, and for a value that
    the flag would not take on the command line either. Raises FileNotFoundError.
    """
    settings = _parse(path)
    defaults: Defaults = {}
    for key, value in settings.items():
        if not isinstance(value, dict):  # first, for what a section says counts more
            _set_shared(defaults, group, key, value, path)
    for section, values in settings.items():
        if isinstance(values, dict):
            _read_section(defaults, group, [section], values, path)
    return defaults


def _read_section(
    defaults: Defaults, group: click.Group, names: list[str], values: Mapping[str, object], path: Path
) -> None:
    """What `[item.put]` sets, names being `item` and `put`: section by section."""
    section = f"[{'.'.join(names)}]"
    verb = _commands(group).get(names[-1])
    if verb is None:
        raise click.UsageError(f"{path}: {section} is no verb; there are: {', '.join(_commands(group))}")
    inner = _within(defaults, names[-1])
    for key, value in values.items():
        if isinstance(verb, click.Group) and isinstance(value, dict):
            _read_section(inner, verb, [*names, key], value, path)
        else:
            _set(inner, verb, key, value, f"{path}: {section} {key}")


def _set_shared(defaults: Defaults, group: click.Group, key: str, value: object, path: Path) -> None:
    """Set a flag of every verb that has it. Raises click.UsageError if fewer than two do."""
    sharing = [(names, verb) for names, verb in _verbs(group) if _option(verb, key) is not None]
    if len(sharing) < 2:
        where = f"; it belongs in the section [{'.'.join(sharing[0][0])}]" if sharing else ""
        raise click.UsageError(f"{path}: {key!r} is no flag that several verbs share{where}")
    for names, verb in sharing:
        inner = defaults
        for name in names:
            inner = _within(inner, name)
        _set(inner, verb, key, value, f"{path}: {key}")


def _verbs(group: click.Group) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb, by its name, or names where it belongs to another."""
    for name, verb in _commands(group).items():
        yield (name,), verb
        if isinstance(verb, click.Group):
            yield from (((name, *names), inner) for names, inner in _verbs(verb))


def _commands(group: click.Group) -> dict[str, click.Command]:
    """What the group consists of, also where it has not been imported yet."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def _within(defaults: Defaults, name: str) -> Defaults:
    inner = defaults.setdefault(name, {})
    assert isinstance(inner, dict)
    return inner


def _parse(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(LARGEST + 1)[:LARGEST].decode())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise click.UsageError(f"{path}: this is no TOML: {error}") from None


def _set(defaults: Defaults, verb: click.Command, key: str, value: object, where: str) -> None:
    option = _option(verb, key)
    if option is None:
        raise click.UsageError(f"{where}: `magnetite {verb.name}` has no flag --{key}; see its --help")
    assert option.name is not None
    defaults[option.name] = _checked(option, value, where)


def _option(verb: click.Command, key: str) -> click.Option | None:
    """The flag that is `--key` on the command line."""
    for parameter in verb.params:
        if isinstance(parameter, click.Option) and f"--{key}" in parameter.opts and key != "help":
            return parameter
    return None


def _checked(option: click.Option, value: object, where: str) -> object:
    """The value as click takes it for a default. Raises click.UsageError if it is not what the flag takes."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise click.UsageError(f"{where}: is true or false, not {value!r}")
        return value is not (option.flag_value is False)  # as in --no-dht, which makes `dht` False
    if isinstance(option.type, click.Path) and isinstance(value, str):
        value = os.path.expanduser(value)  # what a shell does on the command line
    if option.multiple:
        value = value if isinstance(value, list) else [value]
        wrong = next((each for each in value if not _is_kind(option, each)), None)
    else:
        wrong = None if _is_kind(option, value) else value
    if wrong is not None:
        raise click.UsageError(f"{where}: takes {_kind(option)}, not {wrong!r}")
    try:
        option.process_value(click.Context(click.Command(None)), value)
    except click.UsageError as error:
        raise click.UsageError(f"{where}: {error.message}") from None
    return value


def _is_kind(option: click.Option, value: object) -> bool:
    """Whether the value has the type that the flag's values have: TOML knows more than text."""
    if isinstance(value, bool):
        return False
    if isinstance(option.type, click.types.IntParamType):
        return isinstance(value, int)
    if isinstance(option.type, click.types.FloatParamType):
        return isinstance(value, int | float) and isfinite(value)
    if isinstance(option.type, Rate) and isinstance(value, int):  # bytes a second, as they may be typed, too
        return True
    return isinstance(value, str)


def _kind(option: click.Option) -> str:
    if isinstance(option.type, click.types.IntParamType):
        return "a whole number"
    return "a number" if isinstance(option.type, click.types.FloatParamType) else "a string"
