"""The commands of real clients on the loopback interface, for whatever needs no network of its own."""

from __future__ import annotations

import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.interop.conftest import Payload, missing_program, require
from tests.interop.lab import HERE, wait_until

HOST = "127.0.0.1"
MAGNETITE = (sys.executable, "-m", "magnetite")


def free_port(host: str = HOST) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def await_listener(port: int) -> None:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, port)) == 0

    wait_until(listens, 20, f"a listener on port {port}")


# -- commands --------------------------------------------------------------------------------------------------------


def our_network(folder: Path, port: int = 0) -> tuple[str | Path, ...]:
    return ("--no-dht", "--bind", HOST, "--port", str(port), "--state", folder / "state", "--json")


def get(payload: Payload, folder: Path, *options: str | Path, port: int = 0) -> tuple[str | Path, ...]:
    """Our download into `folder`/ours."""
    return (*MAGNETITE, "get", payload.magnet, "--dir", folder / "ours", *our_network(folder, port), *options)


def share(payload: Payload, folder: Path, port: int, *options: str) -> tuple[str | Path, ...]:
    """Our seed; what it remembers is below `folder`."""
    content = payload.folder / payload.metainfo.name
    return (*MAGNETITE, "share", content, *our_network(folder, port), *options)


def libtorrent(role: str, what: str | Path, folder: Path, *options: str, host: str = HOST) -> tuple[str | Path, ...]:
    require(None if find_spec("libtorrent") else "not installed: libtorrent")
    return (sys.executable, HERE / "libtorrent_peer.py", role, what, folder, "--listen", f"{host}:0", *options)


def libtorrent_seed(payload: Payload, *options: str, host: str = HOST) -> tuple[str | Path, ...]:
    return libtorrent("seed", payload.torrent, payload.folder, *options, host=host)


def aria2(payload: Payload, folder: Path, tracker: str, port: int, *options: str) -> tuple[str | Path, ...]:
    """It takes no peers from its command line: `tracker` is the announce URL of one that names them."""
    require(missing_program("aria2c"))
    return (
        "aria2c",
        "--no-conf",
        f"--listen-port={port}",
        f"--bt-tracker={tracker}",
        "--bt-tracker-interval=1",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--disable-ipv6=true",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
        "--file-allocation=none",
        "--async-dns=false",
        f"--dir={folder}",
        *options,
        payload.torrent,
    )
