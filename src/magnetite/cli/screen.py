"""Standard error: a bar that moves on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn
from rich.table import Column

from magnetite.cli.status import Phase, Status

LINE_EVERY = 5.0  # seconds between two lines in one phase, where there is no terminal
LASTING = (Phase.SEEDING, Phase.SERVING)  # phases that go on for days,
LASTING_LINE_EVERY = 60.0  # and would fill a log; so would a line that says the same as the one before
BAR_WIDTH = 24


class Screen(Protocol):
    """Where people look while a verb works."""

    def show(self, status: Status, now: float) -> None:
        """This is how things are; called a few times a second."""
        ...

    def say(self, text: str) -> None:
        """A line that stays."""
        ...

    def close(self) -> None: ...


def open_screen(console: Console) -> Screen:
    """Bars if `console` is a terminal that can draw them, else lines."""
    return Bars(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console)


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

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class Lines:
    """A line when another phase begins, and every few seconds within one; no control codes."""

    def __init__(self, console: Console) -> None:
        self._console = console
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
        print(text, file=self._console.file, flush=True)

    def close(self) -> None:
        pass


class _Bar(BarColumn):
    """Leaves its room to the words where there is nothing to be done, and so no end to come nearer to."""

    def render(self, task: Task) -> RenderableType:  # type: ignore[override]  # whatever can be drawn will do
        return "" if task.fields["is_bare"] else super().render(task)


def _new_progress(console: Console) -> Progress:
    words = TextColumn(
        "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
    )
    return Progress(
        _Bar(BAR_WIDTH),
        words,
        console=console,
        expand=True,
        transient=True,
        auto_refresh=False,  # `show` draws; a thread of rich's own would not know of virtual or stopped time
        redirect_stdout=False,  # it may be a pipe, and what goes there is no business of the screen
    )


def _percentage(status: Status) -> str:
    return f"{100 * status.done // status.total:3} % " if status.total else ""
