"""The command line: one file a verb, and what they share. Here is the way in, which imports next to nothing itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from magnetite.cli.interruption import quitting_at_once

TYPE_CHECKING = False  # see `magnetite`

if TYPE_CHECKING:
    from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program. Exits with one of the codes of `exit_codes`."""
    _open_what_is_closed()
    with quitting_at_once():
        from magnetite.cli.program import run_program
    run_program(arguments)


def _open_what_is_closed() -> None:
    """Give the standard streams that our parent closed to the null device.

    Else the next file or socket would be in their place, and what is printed would be written into it.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            setattr(sys, name, os.fdopen(descriptor, mode))
