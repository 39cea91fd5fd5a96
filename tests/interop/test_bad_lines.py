"""Bare magnets between magnetite and libtorrent over a line that loses and delays, or carries UDP alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.conftest import Payload, make_payload
from tests.interop.lab import HERE, Lab, kill, wait_for, wait_until
from tests.interop.running import events
from tests.interop.test_other_clients import MAGNETITE, OURS, libtorrent, our_network

pytestmark = pytest.mark.interop

THEIRS = 4  # in the lab: the client behind the line
MIB = 1 << 20
PATIENCE = 60  # seconds
Spawn = Callable[..., subprocess.Popen[bytes]]


class Line(NamedTuple):
    length: int  # bytes of the torrent
    loss: float  # share of packets, each way
    delay: float  # seconds, each way
    carriers: tuple[str, ...] = ()  # "udp": no TCP


LINES = {
    "UDP alone": Line(16 * MIB, 0.0, 0.0, ("udp",)),
    "1 % lost, 50 ms": Line(2 * MIB, 0.01, 0.025),
    "5 % lost, 50 ms": Line(MIB // 2, 0.05, 0.025),
    "UDP alone, 1 % lost, 50 ms": Line(2 * MIB, 0.01, 0.025, ("udp",)),
    "UDP alone, 5 % lost, 50 ms": Line(MIB // 2, 0.05, 0.025, ("udp",)),
}


@pytest.fixture
def spawn(lab: Lab, dht: None, tmp_path: Path) -> Iterator[Spawn]:
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path, client: int | None, name: str) -> subprocess.Popen[bytes]:
        running.append(lab.spawn(*command, client=client, log=tmp_path / name))
        return running[-1]

    yield start
    for process in running:
        kill(process)


@pytest.fixture(params=LINES.values(), ids=LINES.keys())
def line(request: pytest.FixtureRequest, spawn: Spawn, tmp_path: Path) -> Line:
    line: Line = request.param
    spawn(sys.executable, HERE / "bad_line.py", *map(str, line[1:3]), *line.carriers, client=None, name="line")
    wait_until(lambda: "ready" in (tmp_path / "line").read_text(), 10, "the line")
    return line


@pytest.fixture
def payload(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return make_payload(tmp_path_factory.mktemp("payload"), {("one.bin",): line.length})


def carriers(log: Path) -> set[object]:
    return {record["carrier"] for record in events(log, "peer_connected")}


def test_we_download_over(spawn: Spawn, line: Line, payload: Payload, tmp_path: Path) -> None:
    spawn(*libtorrent("seed", payload.torrent, payload.folder, client=THEIRS), client=THEIRS, name="seed")
    get = (*MAGNETITE, "get", payload.magnet, "--dir", tmp_path / "ours", "--json", *our_network(tmp_path))
    wait_for(spawn(*get, client=OURS, name="get"), PATIENCE, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")
    if line.carriers:
        assert carriers(tmp_path / "get") == {"utp"}


def test_they_download_from_us_over(spawn: Spawn, line: Line, payload: Payload, tmp_path: Path) -> None:
    content = payload.folder / payload.metainfo.name
    spawn(*MAGNETITE, "share", content, "--json", *our_network(tmp_path), client=OURS, name="share")
    wait_until(lambda: bool(events(tmp_path / "share", "announced")), 30, "our announce")
    leech = libtorrent("leech", payload.magnet, tmp_path / "theirs", client=THEIRS)
    wait_for(spawn(*leech, client=THEIRS, name="leech"), PATIENCE, tmp_path / "leech")
    assert payload.is_in(tmp_path / "theirs")
    if line.carriers:
        assert carriers(tmp_path / "share") == {"utp"}
