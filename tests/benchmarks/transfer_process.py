"""A client as a process, whose words can be read, and what it has cost so far."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LOOK_EVERY: Final = 0.02  # seconds between two looks at a process that says nothing: its peak only ever grows
TICKS: Final = os.sysconf("SC_CLK_TCK")


class Stalled(Exception):
    """A client did not do within its time what was asked of it; says which, and its last words."""


class Client:
    """A running client. Made by `started`."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, log: Path) -> None:
        self.peak = 0  # bytes of memory at most, as seen last
        self._process = process
        self._name = name
        self._log = log
        self._spent: list[tuple[float, float]] = []  # when it was looked at, and its processor time then
        self._heard = b""

    def cpu_seconds(self) -> float:
        """Processor time so far, the kernel's share and that of ended threads included."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def look(self) -> None:
        """Note its memory's peak (VmHWM) and its processor time."""
        self._spent.append((time.monotonic(), self.cpu_seconds()))
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        if "VmHWM:" in status:  # what has ended has no memory any more
            self.peak = int(status.partition("VmHWM:")[2].split()[0]) << 10

    def cpu_seconds_until(self, moment: float) -> float:
        """Its processor time when it was last looked at before `moment`."""
        return max((cpu for when, cpu in self._spent if when <= moment), default=0.0)

    def say(self, line: str = "") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def hear(self, word: str, patience: float) -> str:
        """The next line with `word` in it. Raises Stalled after `patience` seconds, and where it ends before."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + patience
        while True:
            line, newline, rest = self._heard.partition(b"\n")
            if newline:
                self._heard = rest
                if word in (text := line.decode(errors="replace")):
                    return text
                continue
            if not self._wait_for_words(deadline):
                raise self._stalled(patience)
            if not (data := os.read(self._process.stdout.fileno(), 65536)):
                raise self._stalled(patience)
            self._heard += data

    def wait(self, patience: float) -> float:
        """Until it ends; returns its processor time. Raises Stalled where it does not, or fails."""
        deadline = time.monotonic() + patience
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG  # it stays in /proc until `poll` collects it
        while os.waitid(os.P_PID, self._process.pid, options) is None:
            self.look()
            if time.monotonic() > deadline:
                raise self._stalled(patience)
            time.sleep(LOOK_EVERY)
        spent = self.cpu_seconds()
        if self._process.poll():
            raise self._stalled(patience)
        return spent

    def _wait_for_words(self, deadline: float) -> bool:
        while (left := deadline - time.monotonic()) > 0:
            self.look()
            if select([self._process.stdout], [], [], min(left, LOOK_EVERY))[0]:
                return True
        return False

    def _stalled(self, patience: float) -> Stalled:
        last = self._log.read_text(errors="replace").strip()[-500:]
        code = self._process.poll()
        how = f"still ran after {patience:.0f} s" if code is None else f"ended with {code}"
        return Stalled(f"{self._name} {how} {last}".strip())


@contextmanager
def started(command: Sequence[str | Path], log: Path, folder: Path = ROOT) -> Iterator[Client]:
    """Run `command` in `folder`, its standard error in `log`; it is asked to end, then killed, with the block."""
    pipe = subprocess.PIPE
    with (
        log.open("wb") as errors,
        subprocess.Popen(list(map(str, command)), cwd=folder, stdin=pipe, stdout=pipe, stderr=errors) as process,
    ):
        try:
            yield Client(process, " ".join(Path(word).name for word in command[:5]), log)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def python(module: str, *arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
