from __future__ import annotations

import io

import pytest
from rich.console import Console

from magnetite.cli.bars import Bars
from magnetite.cli.screen import Lines, open_screen
from magnetite.cli.status import Phase, Status


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def console(width: int = 60) -> Console:
    return Console(file=Terminal(), width=width, _environ={"TERM": "xterm"})


def written(console: Console) -> str:
    assert isinstance(console.file, Terminal)
    return console.file.getvalue()


def test_a_terminal_gets_bars_and_anything_else_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(open_screen(Terminal()), Bars)
    assert isinstance(open_screen(io.StringIO()), Lines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_screen(Terminal()), Lines)


def test_lines_come_at_changes_of_phase_and_every_few_seconds() -> None:
    plain = io.StringIO()
    screen = Lines(plain)
    for tenth in range(120):
        screen.show(Status(Phase.SEARCHING, f"asked {tenth}"), now=100 + tenth / 10)
    screen.show(Status(Phase.METADATA, "fetching"), now=112)
    assert plain.getvalue().splitlines() == ["asked 0", "asked 50", "asked 100", "fetching"]


def test_lines_become_rare_where_a_phase_lasts_for_days() -> None:
    plain = io.StringIO()
    screen = Lines(plain)
    for second in range(100, 230):
        screen.show(Status(Phase.SEEDING, f"at {second}"), now=second)
    assert plain.getvalue().splitlines() == ["at 100", "at 160", "at 220"]


def test_a_line_says_how_much_is_done_where_that_is_known() -> None:
    plain = io.StringIO()
    Lines(plain).show(Status(Phase.DOWNLOADING, "film", done=1, total=3), now=0)
    assert plain.getvalue() == " 33 % film\n"


def test_bars_show_the_words_whatever_is_in_them_and_are_gone_at_the_end() -> None:
    terminal = console()
    screen = Bars(terminal)
    screen.show(Status(Phase.SEARCHING, "[bold]not markup[/bold]"), now=0)
    screen.say("a line [that] stays :smile: " + "x" * 100)
    screen.show(Status(Phase.DOWNLOADING, "film", done=1, total=2), now=1)
    screen.close()
    screen.close()
    text = written(terminal)
    assert "[bold]not markup[/bold]" in text
    assert "a line [that] stays :smile: " + "x" * 100 in text, "never broken: people copy links"
    assert text.endswith("\x1b[2K"), "the bar's line is cleared"


def test_where_there_is_little_room_the_words_have_it() -> None:
    terminal = console(width=40)
    screen = Bars(terminal)
    screen.show(Status(Phase.DOWNLOADING, "film: 12.8 MiB of 30.0 MiB, 2.5 MiB/s", done=1, total=2), now=0)
    screen.close()
    assert "film: 12.8 MiB of 30.0 MiB" in written(terminal)
