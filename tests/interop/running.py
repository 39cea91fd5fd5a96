"""A client as a process: what it has said so far, and its end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.interop.lab import kill, wait_for, wait_until

PATIENCE = 20  # seconds


class Running:
    """A client that runs. What it prints, complaints included, goes to `log`."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    def events(self, kind: str) -> list[dict[str, object]]:
        return events(self.log, kind)

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def lines(self, words: str) -> list[str]:
        """Those with these words in them, and an end."""
        return [line for line in self.log.read_text().rpartition("\n")[0].splitlines() if words in line]

    def hear(self, words: str) -> str:
        """The first line with these words, as soon as there is one."""
        self._await(lambda: bool(self.lines(words)), words)
        return self.lines(words)[0]

    def hear_anew(self, words: str) -> None:
        """Until it says these words after now."""
        known = len(self.lines(words))
        self._await(lambda: len(self.lines(words)) > known, words)

    def await_pieces(self, count: int) -> None:
        """Until a download of ours has so many."""
        self._await(lambda: self.pieces >= count, f"{count} pieces")

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(lambda: condition() or not self.is_running, PATIENCE, f"{self.log.name}: {what}")
        assert condition(), f"ended before {what}:\n{self.log.read_text()[-4000:]}"

    @property
    def pieces(self) -> int:
        """How many pieces a download of ours has, as it said last."""
        return max((int(str(record["have"])) for record in self.events("piece_verified")), default=0)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout: float) -> None:
        """Until it has ended well."""
        wait_for(self._process, timeout, self.log)

    def kill(self) -> None:
        """At once, and not for the first time, perhaps."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        kill(self._process)


def events(log: Path, kind: str) -> list[dict[str, object]]:
    """The records of that kind that a client of ours has printed, of which the last may be cut short."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return [record for record in map(json.loads, lines) if record["event"] == kind]
