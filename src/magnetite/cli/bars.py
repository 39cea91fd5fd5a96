"""The bar on a terminal. Nothing else imports rich, so that nobody else waits for it."""

from __future__ import annotations

import logging
from typing import Final

from rich.console import Console, RenderableType
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn
from rich.table import Column

from magnetite.cli.status import Phase, Status

BAR_WIDTHS: Final = range(6, 25)  # columns
WORDS_WIDTH: Final = 74  # columns, which the words have before the bar is longer than its least


class Bars:
    """One bar, with what is being waited for beside it. It is gone when the verb is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def show(self, status: Status, now: float) -> None:
        if self._progress is None:
            self._progress = _new_progress(self._console)
            self._task = self._progress.add_task("", total=None, is_bare=False)
            self._progress.start()
        self._progress.update(
            self._task,
            description=status.words,
            completed=status.done,
            total=status.total,
            is_bare=status.phase is Phase.SERVING,
            refresh=True,
        )

    def say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)

    def log_handler(self) -> logging.Handler:
        handler = RichHandler(console=self._console, show_path=False, markup=False)  # prints above the bar
        handler.setFormatter(logging.Formatter("%(message)s"))
        return handler

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class _Bar(BarColumn):
    """Leaves its room to the words where there is nothing to be done, and so no end to come nearer to."""

    def render(self, task: Task) -> RenderableType:  # type: ignore[override]  # whatever can be drawn will do
        return "" if task.fields["is_bare"] else super().render(task)


def _new_progress(console: Console) -> Progress:
    words = TextColumn(
        "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
    )
    return Progress(
        _Bar(_bar_width(console.width)),
        words,
        console=console,
        expand=True,
        transient=True,
        auto_refresh=False,  # `show` draws; a thread of rich's own would not know of virtual or stopped time
        redirect_stdout=False,  # it may be a pipe, and what goes there is no business of the screen
    )


def _bar_width(width: int) -> int:
    """The words come first: they say what the bar says, and more."""
    return min(max(width - WORDS_WIDTH, BAR_WIDTHS[0]), BAR_WIDTHS[-1])
