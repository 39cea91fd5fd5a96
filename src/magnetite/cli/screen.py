"""Standard error: a bar that moves on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import logging
import os
from typing import Protocol, TextIO

from magnetite.cli.status import Phase, Status

LINE_EVERY = 5.0  # seconds between two lines in one phase, where there is no terminal
LASTING = (Phase.SEEDING, Phase.SERVING)  # phases that go on for days,
LASTING_LINE_EVERY = 60.0  # and would fill a log; so would a line that says the same as the one before
LOG_LAYOUT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CANNOT_DRAW = ("dumb", "unknown")  # values of TERM


class Screen(Protocol):
    """Where people look while a verb works."""

    def show(self, status: Status, now: float) -> None:
        """This is how things are; called a few times a second."""
        ...

    def say(self, text: str) -> None:
        """A line that stays."""
        ...

    def log_handler(self) -> logging.Handler:
        """What writes the log so that it does not get mixed up with the rest."""
        ...

    def close(self) -> None: ...


def open_screen(stream: TextIO) -> Screen:
    """Bars if `stream` is a terminal that can draw them, else lines."""
    if not stream.isatty() or os.environ.get("TERM", "").lower() in CANNOT_DRAW:
        return Lines(stream)
    from rich.console import Console  # a tenth of a second that only a terminal need wait

    from magnetite.cli.bars import Bars

    return Bars(Console(file=stream))


class Lines:
    """A line when another phase begins, and every few seconds within one; no control codes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: Status | None = None
        self._shown_at = 0.0

    def show(self, status: Status, now: float) -> None:
        if self._shown is None or status.phase is not self._shown.phase or now >= self._shown_at + self._pause(status):
            self._shown, self._shown_at = status, now
            self.say(f"{_percentage(status)}{status.words}")

    def _pause(self, status: Status) -> float:
        """Seconds between the last line and one with this status."""
        return LASTING_LINE_EVERY if status.phase in LASTING or status == self._shown else LINE_EVERY

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def log_handler(self) -> logging.Handler:
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(logging.Formatter(LOG_LAYOUT))
        return handler

    def close(self) -> None:
        pass


def _percentage(status: Status) -> str:
    return f"{100 * status.done // status.total:3} % " if status.total else ""
