"""A throw-away network of namespaces, and processes in it: where real clients meet."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
ROUTER = "10.1.0.1:6881"  # the first node of the DHT
Spawn = Callable[..., subprocess.Popen[bytes]]


class Lab:
    """The namespaces of `lab.sh`, or of another layout. Everything spawned in them ends with `close`."""

    def __init__(self, layout: str = "lab.sh") -> None:
        command = ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "--kill-child", str(HERE / layout)]
        self._outer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._outer.stdout is not None
        if self._outer.stdout.readline().strip() != "ready":
            raise RuntimeError("the lab did not come up")
        pid = self._outer.pid
        self._inner = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]

    def spawn(self, *command: str | Path, client: int | str | None = None, log: Path) -> subprocess.Popen[bytes]:
        """Run a command on the bridge, or as client 1 to 4, or in a namespace by name; what it prints goes to `log`."""
        namespace = client if isinstance(client, str) else f"c{client}"
        inside = [] if client is None else ["ip", "netns", "exec", namespace]
        entered = ["nsenter", "-t", self._inner, "-n", "-m", "-p", *inside, *map(str, command)]
        with log.open("wb") as output:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            return subprocess.Popen(
                entered, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )

    def close(self) -> None:
        self._outer.kill()
        self._outer.wait()
        if self._outer.stdout is not None:
            self._outer.stdout.close()


@contextmanager
def spawning(lab: Lab, folder: Path) -> Iterator[Spawn]:
    """Starts what is spawned in the namespaces, its output in `folder`; whatever still runs in the end is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path, client: int | str | None, name: str) -> subprocess.Popen[bytes]:
        running.append(lab.spawn(*command, client=client, log=folder / name))
        return running[-1]

    yield start
    for process in running:
        kill(process)


def address_of(client: int) -> str:
    return f"10.10{client}.0.1"


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a spawned process at once: what entered the namespaces is a child of ours, and in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Real clients live in real time: look ten times a second."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout:.0f} s")
        time.sleep(0.1)


def wait_for(process: subprocess.Popen[bytes], timeout: float, log: Path) -> None:
    """Until the process has ended well; what it printed if not."""
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        kill(process)
        code = None
    assert code == 0, f"ended with {code} (None: not within {timeout:.0f} s):\n{log.read_text()[-4000:]}"
