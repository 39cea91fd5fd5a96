"""The internet of links.sh, its DHT, and the commands of clients in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.interop.lab import HERE, Spawn, wait_for

ROUTERS = ("11.1.0.1:6881", "[2a00:1::1]:6881")


def libtorrent(role: str, what: str | Path, folder: Path, listen: str, *options: str) -> tuple[str | Path, ...]:
    network = ("--listen", listen, "--router", ",".join(ROUTERS))
    return (sys.executable, HERE / "libtorrent_peer.py", role, what, folder, *network, *options)


def magnetite(*arguments: str | Path, state: Path) -> tuple[str | Path, ...]:
    return (sys.executable, "-m", "magnetite", *arguments, "--state", state, "--json")


def packets(spawn: Spawn, client: str, folder: Path) -> dict[str, int]:
    """What links.sh has counted there so far, by the name of the counter."""
    log = folder / "counters"
    wait_for(spawn("nft", "list", "counters", client=client, name=log.name), 20, log)
    return {name: int(count) for name, count in re.findall(r"counter (\w+) \{\s+packets (\d+)", log.read_text())}
