"""Ctrl-C while the program is still being imported."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def quitting_at_once() -> Iterator[None]:
    """Ctrl-C in the block ends the program in silence: nothing has been begun that could be saved.

    It raises no KeyboardInterrupt, for that comes out of some imports as another error.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or somebody else's
        yield
        return
    signal.signal(signal.SIGINT, _quit)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _quit(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)  # INTERRUPTED of `exit_codes`, which is not imported yet
