"""`get --first` and `--sequential`: what is fetched before the rest."""

from __future__ import annotations

from functools import wraps
from typing import Any

import click

from magnetite.cli.options import Command
from magnetite.swarm.preference import Preference
from magnetite.torrent.selection import parse_selection


def preference_options(command: Command) -> Command:
    """The command gets `preference`."""

    @click.option(
        "--first",
        multiple=True,
        metavar="GLOB|LIST",
        help="These files before the others; as for --files, and may be repeated.",
    )
    @click.option("--sequential", is_flag=True, help="From the first piece to the last, not the rarest first.")
    @wraps(command)
    def wrapped(*args: Any, first: tuple[str, ...], sequential: bool, **options: Any) -> None:
        try:
            high = parse_selection(*first) if first else None
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--first") from None
        command(*args, preference=Preference(high, is_sequential=sequential), **options)

    return wrapped
