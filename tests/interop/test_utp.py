"""uTP alone, in both directions, with a libtorrent that speaks no TCP: on a good line and on bad ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.interop.conftest import Payload, Start, make_payload
from tests.interop.loopback import HOST, free_port, get, libtorrent, libtorrent_seed, share
from tests.interop.running import Running

pytestmark = pytest.mark.interop

MIB = 1 << 20
# Bytes, the share of packets lost each way, seconds each way. What gets through at a loss is the same for all senders
# that halve their windows: some 60 kB/s at 5 % and a round trip of 100 ms.
LINES = [(64 * MIB, 0.0, 0.0), (3 * MIB, 0.01, 0.025), (MIB, 0.05, 0.025)]
PATIENCE = 90  # seconds


@pytest.fixture(params=LINES, ids=lambda line: f"{line[0] // MIB} MiB, {line[1]:.0%} lost")
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Payload, float, float]:
    length, loss, delay = request.param
    return make_payload(tmp_path_factory.mktemp("payload"), {("one.bin",): length}), loss, delay


def relay(start: Start, port: int, loss: float, delay: float) -> str:
    """A way to a port of this machine that carries UDP alone, and not all of it."""
    running = start(sys.executable, "-m", "tests.interop.relay", f"{HOST}:{port}", str(loss), str(delay), name="relay")
    return f"{HOST}:{port_of(running)}"


def port_of(running: Running) -> int:
    return int(running.hear("port").split()[1])


def test_we_download_from_a_seed_that_speaks_utp_alone(
    start: Start, line: tuple[Payload, float, float], tmp_path: Path
) -> None:
    payload, loss, delay = line
    seed = start(*libtorrent_seed(payload, "--no-tcp"), name="seed")
    ours = start(*get(payload, tmp_path, "--peer", relay(start, port_of(seed), loss, delay)), name="get")
    ours.wait(PATIENCE)
    assert payload.is_in(tmp_path / "ours")
    assert {record["carrier"] for record in ours.events("peer_connected")} == {"utp"}


def test_a_leech_that_speaks_utp_alone_downloads_from_us(
    start: Start, line: tuple[Payload, float, float], tmp_path: Path
) -> None:
    payload, loss, delay = line
    port = free_port()
    ours = start(*share(payload, tmp_path, port), name="share")
    ours.hear("magnet:")
    peer = relay(start, port, loss, delay)
    leech = start(*libtorrent("leech", payload.magnet, tmp_path / "theirs", "--no-tcp", "--peer", peer), name="leech")
    leech.wait(PATIENCE)
    assert payload.is_in(tmp_path / "theirs")
    assert {record["carrier"] for record in ours.events("peer_connected")} == {"utp"}
