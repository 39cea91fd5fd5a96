"""The clients that are compared, downloading and seeding: magnetite, libtorrent and aria2c, and what a run costs.

The time of a download begins when a seed is connected to, by the seed's own word, and so means the same for all three,
whatever it takes to start them. It ends when the client says that it has everything: magnetite by its line on standard
output, which it prints after the last flush; libtorrent by its alert; aria2c by the command it runs then, for it leaves
two to three seconds later. `whole` is the time from the start of the process, for libtorrent from its adding the
torrent. Processor time is that of the whole process, its start included, the share of which is told apart; libtorrent's
begins when its interpreter is up, which no user of it would have to start. A seed's processor time is that from before
the leech is told to begin until it has everything.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.transfer_payload import Payload
from tests.benchmarks.transfer_process import Client, Stalled, python, started
from tests.benchmarks.transfer_tracker import tracking

MAGNETITE: Final = str(Path(sys.executable).with_name("magnetite"))
ARIA2: Final = "aria2c"
MOST_PROCESSES: Final = 4  # that seeds are spread over
PATIENCE: Final = 120.0  # seconds


@dataclass(frozen=True, slots=True)
class Run:
    """What it took: seconds, seconds, CPU seconds, those of them before it was connected, bytes of memory at most."""

    time: float
    whole: float
    cpu: float
    start_cpu: float
    peak: int


class Seeds:
    """libtorrent seeds, each at an address of its own. Made by `seeding`."""

    def __init__(self, processes: Sequence[Client]) -> None:
        self.processes = processes
        self.endpoints = [endpoint for each in processes for endpoint in each.hear(":", PATIENCE).split()]

    def first_connected(self) -> float:
        """When the first of them was connected to since this was last asked; 0 for never."""
        for each in self.processes:
            each.say()
        answers = [float(each.hear(".", PATIENCE)) for each in self.processes]
        return min(filter(None, answers), default=0.0)


@contextmanager
def seeding(payload: Payload, count: int, folder: Path, *options: str) -> Iterator[Seeds]:
    """`count` libtorrent sessions that seed `payload`; for `options` see `transfer_libtorrent`."""
    with ExitStack() as stack:
        processes = []
        for number in range(min(count, MOST_PROCESSES)):
            numbers = range(number, count, MOST_PROCESSES)
            first = 2 + number * (count // MOST_PROCESSES + 1)
            command = python(
                "transfer_libtorrent", "seed", payload.torrent, payload.folder, str(len(numbers)), str(first), *options
            )
            processes.append(stack.enter_context(started(command, folder / f"seed{number}.log")))
        yield Seeds(processes)


# -- downloading -----------------------------------------------------------------------------------------------------


def download(client: str, payload: Payload, seeds: Seeds, folder: Path, *options: str) -> Run:
    """Download `payload` into `folder`, which is empty; `options` are those of the client.

    Raises Stalled where it does not arrive as it was sent.
    """
    seeds.first_connected()
    begin = {"magnetite": _by_magnetite, "libtorrent": _by_libtorrent, "aria2c": _by_aria2}[client]
    run = begin(payload, seeds, folder, options)
    if not payload.is_in(folder):
        raise Stalled(f"{client} says that it has everything, and has not")
    return run


def _by_magnetite(payload: Payload, seeds: Seeds, folder: Path, options: Sequence[str]) -> Run:
    peers = [word for endpoint in seeds.endpoints for word in ("--peer", endpoint)]
    began = time.monotonic()
    with started(
        [MAGNETITE, "get", payload.torrent, "--dir", folder, *_our_network(folder), *peers, *options], folder / "log"
    ) as process:
        process.hear(" verified, in ", PATIENCE)
        ended = time.monotonic()
        cpu = process.wait(PATIENCE)
        connected = seeds.first_connected()
        return Run(ended - connected, ended - began, cpu, process.cpu_seconds_until(connected), process.peak)


def _by_libtorrent(payload: Payload, seeds: Seeds, folder: Path, options: Sequence[str]) -> Run:
    with _leech(payload, [*seeds.endpoints, *options], folder) as process:
        start = process.cpu_seconds()
        process.say()
        began, _, ended = map(float, process.hear(".", PATIENCE).split())
        cpu = process.cpu_seconds() - start
        process.look()
        process.say()  # it ends, and so writes what it has not yet
        process.wait(PATIENCE)
        return Run(ended - seeds.first_connected(), ended - began, cpu, 0.0, process.peak)


def _by_aria2(payload: Payload, seeds: Seeds, folder: Path, options: Sequence[str]) -> Run:
    with tracking(seeds.endpoints) as tracker:
        mark = "0123456789abcdef"
        tell = (f"--gid={mark}", "--on-bt-download-complete=/usr/bin/touch")  # it is called with the id as a file name
        command = _aria2(payload, folder, tracker, "--seed-time=0", "--check-integrity=false", *tell, *options)
        began = time.monotonic()
        with started(command, folder / "log", folder) as process:
            cpu = process.wait(PATIENCE)
            ended = (folder / mark).stat().st_mtime - time.time() + time.monotonic()
            connected = seeds.first_connected()
            return Run(ended - connected, ended - began, cpu, process.cpu_seconds_until(connected), process.peak)


# -- seeding ---------------------------------------------------------------------------------------------------------


def seed(client: str, payload: Payload, folder: Path) -> Run:
    """Have `client` seed `payload` to one libtorrent leech, from that connecting to that having all."""
    with ExitStack() as stack:
        process, endpoint = stack.enter_context(_seed_of(client, payload, folder))
        leech = stack.enter_context(_leech(payload, [endpoint], folder))
        start = process.cpu_seconds()
        leech.say()
        began, connected, ended = map(float, leech.hear(".", PATIENCE).split())
        cpu = process.cpu_seconds() - start
        process.look()
        return Run(ended - connected, ended - began, cpu, 0.0, process.peak)


@contextmanager
def _seed_of(client: str, payload: Payload, folder: Path) -> Iterator[tuple[Client, str]]:
    """A client that is ready to seed, and where."""
    if client == "libtorrent":
        with seeding(payload, 1, folder) as seeds:
            yield seeds.processes[0], seeds.endpoints[0]
        return
    port = _free_port()
    endpoint = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        if client == "magnetite":
            content = payload.folder / payload.name
            command = [MAGNETITE, "share", content, *_our_network(folder, port)]
            process = stack.enter_context(started(command, folder / "seed.log"))
            process.hear(payload.info_hash, PATIENCE)
        else:
            tracker = stack.enter_context(tracking([]))
            options = ("--seed-ratio=0", "--bt-seed-unverified=true", f"--listen-port={port}")
            command = _aria2(payload, payload.folder, tracker, *options)
            process = stack.enter_context(started(command, folder / "seed.log"))
            _await_listener(port)
        yield process, endpoint


# -- commands --------------------------------------------------------------------------------------------------------


@contextmanager
def _leech(payload: Payload, peers: Sequence[str], folder: Path) -> Iterator[Client]:
    command = python("transfer_libtorrent", "leech", payload.torrent, folder, *peers)
    with started(command, folder / "leech.log") as process:
        process.hear("ready", PATIENCE)
        yield process


def _our_network(folder: Path, port: int = 0) -> tuple[str | Path, ...]:
    return ("--no-dht", "--bind", "127.0.0.1", "--port", str(port), "--state", folder / "state")


def _aria2(payload: Payload, folder: Path, tracker: str, *options: str) -> list[str | Path]:
    return [
        ARIA2,
        "--no-conf",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--disable-ipv6=true",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
        "--file-allocation=none",
        "--allow-overwrite=true",
        "--auto-save-interval=0",
        "--summary-interval=0",
        "--async-dns=false",
        "--bt-max-peers=0",
        "--bt-tracker-connect-timeout=5",
        f"--bt-tracker={tracker}",
        f"--dir={folder}",
        *options,
        payload.torrent,
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_listener(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise Stalled(f"nobody listens on port {port}")
