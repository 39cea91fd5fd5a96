"""How tests of the command line run it: in this process where they can, in one of its own where signals matter."""

from __future__ import annotations

import gc
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from magnetite import cli

PATIENCE = 20  # seconds
LONGEST = 300  # seconds for a test, or for what is set up for it
Start = Callable[..., "subprocess.Popen[str]"]
OFFLINE = ("--no-dht", "--bind", "127.0.0.1", "--port", "0")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Invoke = Callable[..., Result]


@contextmanager
def bounded() -> Iterator[None]:
    """Nothing here waits for ever: neither for a line that no program prints, nor for peers that are not there."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not done within {LONGEST} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    with bounded():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with bounded():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    with bounded():
        return (yield)


@pytest.fixture
def invoke(capfd: pytest.CaptureFixture[str]) -> Iterator[Invoke]:
    """Run the program in this process, which is as it was before when the test is over."""
    root = logging.getLogger()
    handlers, level, threshold = root.handlers[:], root.level, gc.get_threshold()

    def call(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as exit_info:
            cli.main([str(argument) for argument in arguments])
        return Result(int(exit_info.value.code or 0), *capfd.readouterr())

    yield call
    root.handlers[:], root.level = handlers, level
    gc.unfreeze()
    gc.set_threshold(*threshold)


@contextmanager
def launching(folder: Path) -> Iterator[Start]:
    """Gives a function that runs the program in a process of its own; the processes are gone after the block."""
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "magnetite", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with launching(tmp_path) as launch:
        yield launch


@pytest.fixture(scope="session")
def payload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder worth sharing."""
    folder = tmp_path_factory.mktemp("shared") / "payload"
    (folder / "sub").mkdir(parents=True)
    (folder / "one.bin").write_bytes(bytes(range(256)) * 500)
    (folder / "sub" / "two.txt").write_text("two\n" * 10_000)
    return folder


@pytest.fixture(scope="session")
def seeder(payload: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """`payload` being shared: its magnet link, and where its seeder is."""
    port = free_port()
    folder = tmp_path_factory.mktemp("seeder")
    with launching(folder) as launch:
        process = launch(
            "share", payload, "--no-dht", "--bind", "127.0.0.1", "--port", port, "--state", folder / "state"
        )
        assert process.stdout is not None
        magnet = process.stdout.readline().strip()
        assert magnet, "the seeder ended before it shared anything"  # else every test would wait for it in vain
        yield magnet, f"127.0.0.1:{port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
