"""The program: its verbs, each imported when it is asked for, and what they have in common."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

import click
from platformdirs import user_config_path

from magnetite.cli.exit_codes import MEANINGS, ExitCode
from magnetite.cli.interruption import quitting_at_once

_EPILOG = "\b\nExit status:\n" + "\n".join(f"  {code:3}  {meaning}" for code, meaning in MEANINGS.items())

# In the order of --help: a verb, and the file where it is, under its own name.
_VERBS: Final = {
    "get": "get",
    "info": "info",
    "share": "share",
    "create": "create",
    "verify": "verify",
    "peers": "peers",
    "scrape": "scrape",
    "publish": "publish",
    "item": "item",
    "sample": "sample",
    "node": "node",
    "status": "node_status",
    "demo": "demo",
    "simulate": "simulate",
}


class Verbs(click.Group):
    """A group that imports a verb when somebody wants to know more of it than its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        with quitting_at_once():
            module = import_module(f"magnetite.cli.{_VERBS[cmd_name]}")
        verb: click.Command = getattr(module, cmd_name)
        return verb


@click.group(
    cls=Verbs, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="magnetite")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="TOML file that sets flags.  [default: config.toml in the user's configuration folder]",
)
@click.pass_context
def magnetite(context: click.Context, config: Path | None) -> None:
    """A trackerless BitTorrent peer: opens magnet links through the DHT.

    \b
    Example:  magnetite get 'magnet:?xt=urn:btih:…'
    """
    path = config or user_config_path("magnetite") / "config.toml"
    if path.exists():
        from magnetite.cli.config import read_config  # 10 ms that most starts need not pay

        context.default_map = read_config(path, magnetite)
    elif config is not None:
        raise click.UsageError(f"{config}: there is no such file; check the name")


def run_program(arguments: Sequence[str] | None) -> NoReturn:
    """Do what the arguments say, those of the process for None. Exits with one of the codes of `exit_codes`."""
    try:
        code = magnetite.main(arguments, prog_name="magnetite", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:  # Ctrl-C before there was anything to be saved
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(code)
