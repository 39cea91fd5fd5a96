"""Bound to one link of two, not one packet leaves by the other: counted by the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Payload
from tests.interop.lab import HERE, Lab, Spawn, spawning, wait_for, wait_until
from tests.interop.links import ROUTERS, libtorrent, magnetite, packets
from tests.interop.running import events

pytestmark = pytest.mark.interop

OURS = "two"
SEED = "11.106.0.1:7001,[2a00:106::1]:7001"
TO_ADDRESSES = ("--bind", "11.103.0.1", "--bind", "2a00:103::1")
TO_INTERFACE = ("--interface", "eth0")


@pytest.fixture
def spawn(links: Lab, tmp_path: Path) -> Iterator[Spawn]:
    with spawning(links, tmp_path) as start:
        yield start


def get(payload: Payload, folder: Path, *options: str) -> tuple[str | Path, ...]:
    what = ("get", payload.magnet, "--dir", folder / "ours", "--bootstrap", ",".join(ROUTERS))
    return magnetite(*what, *options, state=folder / "state")


def test_unbound_we_take_the_link_that_routes_prefer(spawn: Spawn, payload: Payload, tmp_path: Path) -> None:
    """So that the other counts mean something. Nobody is told: whoever knew would dial us on that link later."""
    spawn(*libtorrent("seed", payload.torrent, payload.folder, SEED), client="peer", name="seed")
    before = packets(spawn, OURS, tmp_path)
    alone = ("--no-dht", "--peer", "11.106.0.1:7001")
    wait_for(spawn(*get(payload, tmp_path, *alone), client=OURS, name="get"), 90, tmp_path / "get")
    assert packets(spawn, OURS, tmp_path)["leaked"] > before["leaked"] + 100


@pytest.mark.parametrize("binding", [TO_ADDRESSES, TO_INTERFACE], ids=["addresses", "interface"])
def test_a_download_leaves_by_no_other_link(
    spawn: Spawn, payload: Payload, tmp_path: Path, binding: tuple[str, ...]
) -> None:
    spawn(*libtorrent("seed", payload.torrent, payload.folder, SEED), client="peer", name="seed")
    before = packets(spawn, OURS, tmp_path)
    wait_for(spawn(*get(payload, tmp_path, *binding), client=OURS, name="get"), 90, tmp_path / "get")
    assert payload.is_in(tmp_path / "ours")
    after = packets(spawn, OURS, tmp_path)
    assert after["leaked"] == before["leaked"]
    assert after["sent"] > before["sent"] + 100


@pytest.mark.parametrize("binding", [TO_ADDRESSES, TO_INTERFACE], ids=["addresses", "interface"])
def test_a_seed_answers_by_no_other_link(
    spawn: Spawn, payload: Payload, tmp_path: Path, binding: tuple[str, ...]
) -> None:
    before = packets(spawn, OURS, tmp_path)
    share = ("share", payload.folder / payload.metainfo.name, "--bootstrap", ",".join(ROUTERS), *binding)
    spawn(*magnetite(*share, state=tmp_path / "state"), client=OURS, name="share")
    wait_until(lambda: bool(events(tmp_path / "share", "announced")), 60, "our announce")
    leech = libtorrent("leech", payload.magnet, tmp_path / "theirs", SEED)
    wait_for(spawn(*leech, client="peer", name="leech"), 120, tmp_path / "leech")
    assert payload.is_in(tmp_path / "theirs")
    assert packets(spawn, OURS, tmp_path)["leaked"] == before["leaked"]


@pytest.mark.parametrize("binding", [TO_ADDRESSES, TO_INTERFACE], ids=["addresses", "interface"])
def test_while_the_link_is_gone_nothing_leaves_and_when_it_is_back_it_goes_on(
    spawn: Spawn, payload: Payload, tmp_path: Path, binding: tuple[str, ...]
) -> None:
    """Under its old name it is another interface, as a tunnel is that is built again."""
    spawn(*libtorrent("seed", payload.torrent, payload.folder, SEED, "--rate", "1000000"), client="peer", name="seed")
    before = packets(spawn, OURS, tmp_path)
    options = (*binding, "--peer", "11.106.0.1:7001")
    download = spawn(*get(payload, tmp_path, *options), client=OURS, name="get")
    log = tmp_path / "get"
    wait_until(lambda: len(events(log, "piece_verified")) > 20, 60, "some pieces")
    _rebuild(spawn, tmp_path, "down")
    wait_until(lambda: bool(events(log, "interface_lost")), 20, "the event")
    known = len(events(log, "piece_verified"))
    _rebuild(spawn, tmp_path, "up")
    wait_until(lambda: bool(events(log, "interface_returned")), 20, "the event")
    wait_until(lambda: len(events(log, "piece_verified")) > known + 20, 150, "more pieces")
    assert re.match(r"(interface eth0|address \S+)$", str(events(log, "interface_lost")[0]["name"]))
    assert packets(spawn, OURS, tmp_path)["leaked"] == before["leaked"]
    download.terminate()


def _rebuild(spawn: Spawn, folder: Path, which: str) -> None:
    wait_for(spawn(HERE / "relink.sh", which, client=None, name="relink"), 20, folder / "relink")
