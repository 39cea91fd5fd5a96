"""The lab, a DHT of real nodes in it, and a torrent to trade. Skipped with the reason where the means are missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha1
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from magnetite.ids import InfoHash
from magnetite.torrent.create import choose_piece_length, encode_info
from magnetite.torrent.metainfo import Metainfo, decode_info, encode_torrent
from tests.interop.lab import HERE, Lab, Spawn, address_of, kill, spawning, wait_until
from tests.interop.running import Running

NODES = 16
Start = Callable[..., Running]


def require(reason: str | None) -> None:
    """Skip for `reason`; in CI, where everything is to be there, fail."""
    if reason is None:
        return
    if os.environ.get("CI"):
        pytest.fail(f"cannot run in CI: {reason}")
    pytest.skip(reason)


def missing_program(*programs: str) -> str | None:
    absent = [program for program in programs if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def require_namespaces() -> None:
    require(None if os.geteuid() == 0 else "network namespaces need root")
    require(missing_program("ip", "unshare", "nsenter"))
    require(None if find_spec("libtorrent") else "not installed: libtorrent")
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True, check=False)
    require(probe.stderr.strip() or None)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    require_namespaces()
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="session")
def homes() -> Iterator[Lab]:
    """Two homes behind routers, as homes.sh lays them out."""
    require_namespaces()
    require(missing_program("nft"))
    lab = Lab("homes.sh")
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
def spawn(lab: Lab, tmp_path: Path) -> Iterator[Spawn]:
    """Start a client in the lab; whatever still runs when the test ends is killed."""
    with spawning(lab, tmp_path) as start:
        yield start


@pytest.fixture
def at_home(homes: Lab, tmp_path: Path) -> Iterator[Spawn]:
    """Start something in a namespace of theirs; whatever still runs when the test ends is killed."""
    with spawning(homes, tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def dht(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sixteen libtorrent nodes that know of each other; what they say of it."""
    log = tmp_path_factory.mktemp("dht") / "log"
    process = lab.spawn(sys.executable, HERE / "libtorrent_dht.py", str(NODES), log=log)

    def known() -> int:
        counts = re.findall(r"nodes known (\d+)", log.read_text()) if log.exists() else []
        return int(counts[-1]) if counts else 0

    wait_until(lambda: known() >= 8 * NODES, 60, "the DHT")
    yield log
    kill(process)


def await_announce(dht: Path, info_hash: InfoHash, client: int) -> None:
    """Until the client is in that DHT: who searches before it is there searches again only much later."""
    said = f"announced {info_hash} {address_of(client)}"
    wait_until(lambda: said in dht.read_text(), 60, "their announce")


@dataclass(frozen=True)
class Payload:
    """A torrent, the file that describes it, and the folder its content is in."""

    metainfo: Metainfo
    torrent: Path
    folder: Path

    @property
    def magnet(self) -> str:
        return f"magnet:?xt=urn:btih:{self.metainfo.info_hash}"

    def is_in(self, folder: Path) -> bool:
        """Whether every file has arrived there, byte for byte, and nothing else."""
        ours, theirs = (_files(root / self.metainfo.name) for root in (self.folder, folder))
        return ours == theirs


def _files(root: Path) -> dict[str, bytes]:
    paths = [root] if root.is_file() else root.rglob("*")
    return {str(path.relative_to(root)): path.read_bytes() for path in paths if path.is_file()}


@pytest.fixture(scope="session")
def payload(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    """Several files, one of them empty, 20 MB in all, in pieces that files share."""
    lengths = {("sample", "a.bin"): 20_000_000, ("sample", "c.txt"): 13, ("sample", "sub", "b.bin"): 70_001}
    return make_payload(tmp_path_factory.mktemp("payload"), {**lengths, ("sample", "sub", "empty"): 0})


@pytest.fixture(scope="session")
def many_files(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    """Forty files of half a megabyte."""
    lengths = {("many", f"{number:02}.bin"): 500_000 + number for number in range(40)}
    return make_payload(tmp_path_factory.mktemp("many_files"), lengths)


def make_payload(folder: Path, lengths: Mapping[tuple[str, ...], int]) -> Payload:
    """Files of these lengths, by path, below `folder`."""
    rng = Random(1)
    content = {path: rng.randbytes(length) for path, length in lengths.items()}
    for path, data in content.items():
        folder.joinpath(*path).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(*path).write_bytes(data)
    everything = b"".join(content[path] for path in sorted(content))
    piece_length = choose_piece_length(len(everything))
    pieces = [everything[at : at + piece_length] for at in range(0, len(everything), piece_length)]
    hashes = b"".join(sha1(piece).digest() for piece in pieces)
    metainfo = decode_info(encode_info([(path, len(content[path])) for path in sorted(content)], piece_length, hashes))
    torrent = folder / "sample.torrent"
    torrent.write_bytes(encode_torrent(metainfo))
    return Payload(metainfo, torrent, folder)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a client on this machine; whatever still runs when the test ends is killed."""
    clients: list[Running] = []

    def begin(*command: str | Path, name: str) -> Running:
        clients.append(Running(command, tmp_path / name))
        return clients[-1]

    yield begin
    for client in clients:
        client.kill()


@pytest.fixture(scope="session")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The internet of links.sh, with a DHT of each family."""
    require_namespaces()
    require(missing_program("nft"))
    lab = Lab("links.sh")
    log = tmp_path_factory.mktemp("links") / "log"
    try:
        dht = lab.spawn(sys.executable, HERE / "our_dht.py", "8", log=log)
        wait_until(lambda: "nodes known" in log.read_text() and int(log.read_text().split()[-1]) >= 96, 60, "the DHTs")
        yield lab
        kill(dht)
    finally:
        lab.close()
