"""The command line: one file a verb, and what they share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click
from platformdirs import user_config_path

from magnetite.cli.create import create
from magnetite.cli.demo import demo
from magnetite.cli.exit_codes import MEANINGS, ExitCode
from magnetite.cli.get import get
from magnetite.cli.info import info
from magnetite.cli.item import item
from magnetite.cli.node import node
from magnetite.cli.node_status import status
from magnetite.cli.peers import peers
from magnetite.cli.publish import publish
from magnetite.cli.sample import sample
from magnetite.cli.scrape import scrape
from magnetite.cli.share import share
from magnetite.cli.verify import verify

_EPILOG = "\b\nExit status:\n" + "\n".join(f"  {code:3}  {meaning}" for code, meaning in MEANINGS.items())


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for verb in (get, info, share, create, verify, peers, scrape, publish, item, sample, node, status, demo):
    magnetite.add_command(verb)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program. Exits with one of the codes of `exit_codes`."""
    try:
        code = magnetite.main(arguments, prog_name="magnetite", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:  # Ctrl-C before there was anything to be saved
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(code)
