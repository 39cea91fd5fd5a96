"""`magnetite demo`: a small swarm on this machine, and a magnet link opened in it the way `get` does."""

from __future__ import annotations

import filecmp
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory

import click
import trio

from magnetite.background import background
from magnetite.cli.create import hash_files
from magnetite.cli.get import Wish, fetch
from magnetite.cli.networking import Networking
from magnetite.cli.options import report_options
from magnetite.cli.report import Report
from magnetite.cli.status import Phase, Status
from magnetite.cli.text import count, duration, size
from magnetite.endpoint import Address
from magnetite.errors import MagnetiteError
from magnetite.events import Announced, DownloadCompleted, Event, MetadataFetched, PeerConnected
from magnetite.opening import open_client, open_dht_node
from magnetite.torrent.magnet import MagnetLink
from magnetite.torrent.metainfo import Metainfo

LOOPBACK = "127.0.0.1"
SEEDERS = 2
NODES = 8  # besides; a larger DHT on one address would run into the answers a node gives to one address
MIB = 1 << 20
PAYLOAD = {"film.bin": 24 * MIB, "subtitles/english.bin": 1 * MIB, "sound/track.bin": 7 * MIB}  # 32 MiB in all


@click.command(epilog="Example:  magnetite demo")
@report_options
def demo(run: Callable[..., None]) -> None:
    """Watch a magnet link being opened, on this machine alone and without the internet.

    Starts a small DHT and two seeders on 127.0.0.1, then downloads 32 MiB from them exactly as `get` does.
    """
    run(_demo)


async def _demo(report: Report) -> None:
    with TemporaryDirectory(prefix="magnetite-demo-") as name:
        shared, downloads = Path(name, "shared"), Path(name, "downloads")
        payload = shared / "magnetite demo"
        await trio.to_thread.run_sync(_make_payload, payload, SystemRandom())
        metainfo = (await hash_files(payload, report)).metainfo
        magnet = MagnetLink(metainfo.info_hash, metainfo.name)
        async with background() as nursery:
            async with report.showing(lambda: Status(Phase.PREPARING, f"starting {NODES} nodes, {SEEDERS} seeders")):
                router: Address = await nursery.start(_run_swarm, metainfo, shared)
            report.say(f"{NODES} nodes and {SEEDERS} seeders are up on {LOOPBACK}; now: magnetite get '{magnet}'")
            story = Story()
            networking = Networking(port=0, bind=(LOOPBACK,), bootstrap=[router])
            await fetch(Wish(str(magnet), downloads), networking, report, story.observe)
        files = await trio.to_thread.run_sync(_compare, metainfo, shared, downloads)
        await _report_story(story, files, report)


class Story:
    """What there is to tell of one download."""

    def __init__(self) -> None:
        self.peers: list[PeerConnected] = []
        self.metadata: MetadataFetched | None = None
        self.completed: DownloadCompleted | None = None

    def observe(self, event: Event) -> None:
        match event:
            case PeerConnected():
                self.peers.append(event)
            case MetadataFetched():
                self.metadata = event
            case DownloadCompleted():
                self.completed = event


async def _run_swarm(
    metainfo: Metainfo, folder: Path, task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED
) -> None:
    """A DHT, and seeders it knows of, until cancelled; started with the address of a node to begin with."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_dht_node(port=0, bind=LOOPBACK, bootstrap=()))
        for _ in range(NODES - 1):
            node = await stack.enter_async_context(open_dht_node(port=0, bind=LOOPBACK, bootstrap=[first.local]))
            await first.ping(node.local)  # who has answered is named to others at once, not when its turn comes
        for _ in range(SEEDERS):
            await stack.enter_async_context(_seeder(metainfo, folder, first.local))
        task_status.started(first.local)
        await trio.sleep_forever()


@asynccontextmanager
async def _seeder(metainfo: Metainfo, folder: Path, router: Address) -> AsyncIterator[None]:
    """A client that has it all, and has told the DHT so."""
    announced = trio.Event()

    def observe(event: Event) -> None:
        if isinstance(event, Announced) and event.nodes:
            announced.set()

    async with open_client(port=0, bind=LOOPBACK, bootstrap=[router], observe=observe) as client:
        download = await client.add(metainfo, into=folder)
        await download.completed()
        await announced.wait()
        yield


def _make_payload(folder: Path, rng: Random) -> None:
    for name, length in PAYLOAD.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(rng.randbytes(length))


def _compare(metainfo: Metainfo, shared: Path, downloads: Path) -> int:
    """How many files arrived; raises MagnetiteError if any differs from its original."""
    for entry in metainfo.files:
        if not filecmp.cmp(shared.joinpath(*entry.path), downloads.joinpath(*entry.path), shallow=False):
            raise MagnetiteError(f"{'/'.join(entry.path)} is not what was shared: this is a bug")
    return len(metainfo.files)


async def _report_story(story: Story, files: int, report: Report) -> None:
    assert story.metadata is not None
    assert story.completed is not None
    seconds = max(story.completed.duration - story.metadata.duration, 1e-3)
    rate = story.metadata.length / seconds
    peers = ", ".join(f"{peer.endpoint} ({peer.client}, by {peer.source.value})" for peer in story.peers)
    await report.result(
        f"peers       {peers}\n"
        f"metadata    after {duration(story.metadata.duration)}, {count(story.metadata.pieces, 'piece')}\n"
        f"content     {size(story.metadata.length)} in {duration(seconds)}: {size(rate)}/s\n"
        f"verified    {count(files, 'file')}, the same bytes as the originals",
        "demonstrated",
        peers=[str(peer.endpoint) for peer in story.peers],
        metadata_seconds=round(story.metadata.duration, 4),
        bytes_per_second=round(rate),
        files=files,
    )
