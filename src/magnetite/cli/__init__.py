"""The command line: one file a verb, and what they share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from magnetite.cli.create import create
from magnetite.cli.demo import demo
from magnetite.cli.exit_codes import MEANINGS, ExitCode
from magnetite.cli.get import get
from magnetite.cli.info import info
from magnetite.cli.node import node
from magnetite.cli.peers import peers
from magnetite.cli.share import share

_EPILOG = "\b\nExit status:\n" + "\n".join(f"  {code:3}  {meaning}" for code, meaning in MEANINGS.items())


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="magnetite")
def magnetite() -> None:
    """A trackerless BitTorrent peer: opens magnet links through the DHT.

    \b
    Example:  magnetite get 'magnet:?xt=urn:btih:…'
    """


for verb in (get, info, share, create, peers, node, demo):
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
