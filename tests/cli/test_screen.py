from __future__ import annotations

import io

from rich.console import Console

from magnetite.cli.screen import Bars, Lines, open_screen
from magnetite.cli.status import Phase, Status


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=60, _environ={"TERM": "xterm"})


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_gets_bars_and_anything_else_lines() -> None:
    assert isinstance(open_screen(console(terminal=True)), Bars)
    assert isinstance(open_screen(console(terminal=False)), Lines)
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(open_screen(dumb), Lines)


def test_lines_come_at_changes_of_phase_and_every_few_seconds() -> None:
    plain = console(terminal=False)
    screen = Lines(plain)
    for tenth in range(120):
        screen.show(Status(Phase.SEARCHING, f"asked {tenth}"), now=100 + tenth / 10)
    screen.show(Status(Phase.METADATA, "fetching"), now=112)
    assert written(plain).splitlines() == ["asked 0", "asked 50", "asked 100", "fetching"]


def test_lines_become_rare_where_a_phase_lasts_for_days() -> None:
    plain = console(terminal=False)
    screen = Lines(plain)
    for second in range(100, 230):
        screen.show(Status(Phase.SEEDING, f"at {second}"), now=second)
    assert written(plain).splitlines() == ["at 100", "at 160", "at 220"]


def test_a_line_says_how_much_is_done_where_that_is_known() -> None:
    plain = console(terminal=False)
    Lines(plain).show(Status(Phase.DOWNLOADING, "film", done=1, total=3), now=0)
    assert written(plain) == " 33 % film\n"


def test_bars_show_the_words_whatever_is_in_them_and_are_gone_at_the_end() -> None:
    terminal = console(terminal=True)
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
