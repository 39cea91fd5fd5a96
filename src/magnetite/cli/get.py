"""`magnetite get`: open a magnet link or a torrent, and download it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path

import click

from magnetite.cli.options import Networking, report_options, swarm_options
from magnetite.cli.report import Report
from magnetite.cli.seeding import give_back
from magnetite.cli.status import DhtTally, status_of
from magnetite.cli.text import printable, size
from magnetite.cli.torrent_argument import parse_torrent
from magnetite.download import Download
from magnetite.errors import Reason, StorageError
from magnetite.events import Event
from magnetite.hub import Observer
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.selection import FileSelection, parse_selection


@dataclass(frozen=True, slots=True)
class Wish:
    """What to download, where to, and how much to give back."""

    torrent: str
    folder: Path
    files: FileSelection | None = None  # None for those the link selects, or all
    seed_ratio: float = 0.0  # bytes sent for each byte of content before it ends; infinity for never


@click.command(epilog="Example:  magnetite get 'magnet:?xt=urn:btih:…' --dir ~/Downloads --files '*.iso'")
@click.argument("torrent", metavar="MAGNET|INFOHASH|FILE.torrent")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=".",
    metavar="DIR",
    help="Folder to download into.  [default: the current one]",
)
@click.option(
    "--files",
    multiple=True,
    metavar="GLOB|LIST",
    callback=lambda _context, _parameter, texts: _selection(texts),
    help="Only these files: a pattern such as '*.iso', or indices such as 0,2,4-8; may be repeated.",
)
@click.option("--keep-seeding", is_flag=True, help="Give it back until Ctrl-C.")
@click.option("--seed-ratio", type=click.FloatRange(min=0), metavar="R", help="Give back R times its size, then end.")
@swarm_options
@report_options
def get(
    torrent: str,
    folder: Path,
    files: FileSelection | None,
    keep_seeding: bool,
    seed_ratio: float | None,
    networking: Networking,
    run: Callable[..., None],
) -> None:
    """Download a torrent, verify it, and end when it is complete.

    Called again it goes on where it stopped.
    """
    if keep_seeding and seed_ratio is not None:
        raise click.UsageError("--keep-seeding never ends, --seed-ratio says when to end: choose one")
    wish = Wish(torrent, folder, files, inf if keep_seeding else seed_ratio or 0.0)
    run(partial(fetch, wish, networking))


async def fetch(wish: Wish, networking: Networking, report: Report, observe: Observer | None = None) -> None:
    """Download what is wished for, saying how it goes. `observe` sees the events, besides the report.

    Raises MagnetiteError for whatever ends it early.
    """
    torrent = parse_torrent(wish.torrent)
    _refuse_unusable(wish.folder)
    tally = DhtTally()

    def observe_all(event: Event) -> None:
        tally.observe(event)
        report.observe(event)
        if observe:
            observe(event)

    async with networking.open_client(observe_all) as client:
        download = await client.add(torrent, into=wish.folder, files=wish.files, peers=networking.peers)
        async with report.showing(lambda: status_of(download.progress(), tally if networking.dht else None)):
            await download.completed()
            await _report_saved(await download.metadata(), download, wish.folder, report)
            await give_back(download, wish.seed_ratio)


async def _report_saved(metainfo: Metainfo, download: Download, folder: Path, report: Report) -> None:
    length = download.progress().length or 0
    path = _place(metainfo, folder)
    name = printable(metainfo.name)
    await report.result(
        f"{name}: {size(length)} verified, in {printable(path)}",
        "saved",
        info_hash=str(metainfo.info_hash),
        name=metainfo.name,
        length=length,
        path=path,
    )


def _place(metainfo: Metainfo, folder: Path) -> str:
    return os.path.join(os.path.abspath(folder), metainfo.name)


def _refuse_unusable(folder: Path) -> None:
    """What would fail at the first piece fails before anybody is asked for one. Raises StorageError."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder}: this is a file; name a folder with --dir", Reason.FILES_IN_THE_WAY)


def _selection(texts: Sequence[str]) -> FileSelection | None:
    try:
        return parse_selection(*texts) if texts else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
