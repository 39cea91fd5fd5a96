"""`magnetite get`: open a magnet link or a torrent, and download it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path

import click

from magnetite.cli.completion import NOTHING_SPECIAL, Finishing, blaming_the_disk, finishing_options
from magnetite.cli.explaining import explaining
from magnetite.cli.feeds import follow, resolve
from magnetite.cli.many import Failure, see_all_through, status_of_all, understand, worst_of
from magnetite.cli.networking import Networking
from magnetite.cli.options import folder_option, limit_options, report_options, serve_option, swarm_options
from magnetite.cli.preferring import preference_options
from magnetite.cli.reaching import reach_options
from magnetite.cli.report import Report
from magnetite.cli.seeding import give_back
from magnetite.cli.serving import ServingCommand, serving
from magnetite.cli.status import DhtTally, Phase, Status, status_of
from magnetite.cli.text import printable, size
from magnetite.cli.torrent_argument import parse_torrent
from magnetite.cli.values import Number
from magnetite.client import Client
from magnetite.download import Download
from magnetite.endpoint import Address
from magnetite.errors import InvalidMetainfo, LocalProtocolError, MagnetiteError, PrivateTorrent, Reason, StorageError
from magnetite.events import Event
from magnetite.hub import Observer
from magnetite.ids import InfoHash
from magnetite.swarm.preference import Preference
from magnetite.torrent.magnet import FeedLink, MagnetLink, parse_feed_link
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.selection import FileSelection, parse_selection

USUAL = Preference()
SHOWN = 40  # characters of what names a torrent, in a complaint


@dataclass(frozen=True, slots=True)
class Wish:
    """What to download, where to, and how much to give back."""

    torrent: str
    folder: Path
    files: FileSelection | None = None  # None for those the link selects, or all
    seed_ratio: float = 0.0  # bytes sent for each byte of content before it ends; infinity for never
    follow: bool = False  # go on to what the publisher names next
    serve: Address | None = None  # where its files can be had while it downloads
    preference: Preference = USUAL
    finishing: Finishing = NOTHING_SPECIAL
    explain: bool = False  # say again and again what it waits for


@click.command(
    cls=ServingCommand, epilog="Example:  magnetite get 'magnet:?xt=urn:btih:…' --dir ~/Downloads --files '*.iso'"
)
@click.argument("torrents", metavar="MAGNET|INFOHASH|FILE.torrent...", nargs=-1, required=True)
@folder_option("Folder to download into.")
@click.option(
    "--files",
    multiple=True,
    metavar="GLOB|LIST",
    callback=lambda _context, _parameter, texts: _selection(texts),
    help="Only these files: a pattern such as '*.iso', or indices such as 0,2,4-8; may be repeated.",
)
@click.option("--keep-seeding", is_flag=True, help="Give it back until Ctrl-C.")
@click.option("--seed-ratio", type=Number(min=0), metavar="R", help="Give back R times its size, then end.")
@click.option("--follow", is_flag=True, help="Of a publisher's link: go on to what is published next, until Ctrl-C.")
@click.option("--explain", is_flag=True, help="Say every 10 seconds, and at the end, what it waits for, and why.")
@preference_options
@serve_option
@finishing_options
@swarm_options
@reach_options
@limit_options
@report_options
def get(
    torrents: tuple[str, ...],
    folder: Path,
    files: FileSelection | None,
    keep_seeding: bool,
    seed_ratio: float | None,
    follow: bool,
    serve: Address | None,
    preference: Preference,
    finishing: Finishing,
    explain: bool,
    networking: Networking,
    run: Callable[..., None],
) -> None:
    """Download torrents, verify them, and end when they are complete.

    Called again it goes on where it stopped. Of a publisher's link, magnet:?xs=urn:btpk:…, it is the torrent that was
    published last. Of several torrents none waits for another, and the exit code is the highest of theirs.
    """
    if len(torrents) > 1 and (files or follow or serve or preference.high):
        named = ", ".join(repr(text[:SHOWN]) for text in torrents)
        raise click.UsageError(f"--files, --first, --follow and --serve are for one torrent; here are {named}")
    if serve is not None and follow:
        raise click.UsageError("--serve is for one torrent, --follow for one after the other: choose one")
    if keep_seeding and seed_ratio is not None:
        raise click.UsageError("--keep-seeding never ends, --seed-ratio says when to end: choose one")
    if seed_ratio is None:
        seed_ratio = inf if keep_seeding or follow or serve else 0.0
    serves = follow or serve is not None
    wish = Wish(torrents[0], folder, files, seed_ratio, follow, serve, preference, finishing, explain)
    run(partial(fetch if len(torrents) == 1 else partial(fetch_all, torrents), wish, networking), serves=serves)


async def fetch(wish: Wish, networking: Networking, report: Report, observe: Observer | None = None) -> None:
    """Download what is wished for, saying how it goes. `observe` sees the events, besides the report.

    Raises MagnetiteError for whatever ends it early.
    """
    feed = parse_feed_link(wish.torrent)
    torrent = parse_torrent(wish.torrent) if feed is None else None
    _refuse_unusable(wish, feed, networking)
    tally = DhtTally()

    def observe_all(event: Event) -> None:
        tally.observe(event)
        report.observe(event)
        if observe:
            observe(event)

    async with networking.open_client(observe_all) as client:
        errand = Errand(wish, networking, client, tally, report)
        download = None if torrent is None else await errand.begin(torrent)
        async with report.showing(errand.status):
            if feed is not None and wish.follow:
                assert client.node is not None
                await follow(client.node, feed, report, errand.begin, errand.see_what_comes)
            if feed is not None:
                assert client.node is not None
                download = await errand.begin(MagnetLink(await resolve(client.node, feed), feed.name))
            assert download is not None
            async with (
                serving(download, wish.serve, report),
                explaining(client.downloads.values, report, always=wish.explain),
            ):
                await errand.see_through(download)


async def fetch_all(texts: Sequence[str], wish: Wish, networking: Networking, report: Report) -> None:
    """Download all that the texts name, each as the wish says but for its torrent.

    Raises MagnetiteError in the end, if one of them could not be had; at once, if none makes sense.
    """
    _refuse_unusable(wish, None, networking)
    failures: list[Failure] = []
    tally = DhtTally()

    def fail(failure: Failure) -> None:
        failures.append(failure)
        report.say(f"magnetite: {printable(failure.what)}: {failure.error}")

    def observe(event: Event) -> None:
        tally.observe(event)
        report.observe(event)

    torrents = understand(texts, fail)
    if not torrents:
        raise worst_of(failures)
    async with networking.open_client(observe) as client:
        errand = Errand(wish, networking, client, tally, report)
        downloads = []
        for torrent in torrents.values():
            try:
                downloads.append(await errand.begin(torrent))
            except MagnetiteError as error:
                fail(Failure(torrent.name or str(torrent.info_hash), error))

        def status() -> Status:
            every = [download.progress() for download in downloads if not download.error]
            return status_of_all(every, len(failures), gives_back=wish.seed_ratio > 0)

        async with report.showing(status), explaining(client.downloads.values, report, always=wish.explain):
            await see_all_through(downloads, errand.see_through, fail)
    if failures:
        raise worst_of(failures)


class Errand:
    """A wish on its way to being fulfilled, by one download or by one after the other."""

    def __init__(self, wish: Wish, networking: Networking, client: Client, tally: DhtTally, report: Report) -> None:
        self._wish = wish
        self._networking = networking
        self._client = client
        self._tally = tally
        self._report = report
        self._download: Download | None = None  # the latest

    def status(self) -> Status:
        if self._download is not None:
            tally = self._tally if self._networking.dht else None
            return status_of(self._download.progress(), tally, gives_back=self._wish.seed_ratio > 0)
        if not self._tally.has_joined:
            return Status(Phase.JOINING, self._tally.joining())
        return Status(Phase.SEARCHING, "asking what was published last")

    async def begin(self, torrent: MagnetLink | Metainfo) -> Download:
        wish, folder = self._wish, self._place(torrent.info_hash)
        download = await self._client.add(
            torrent,
            into=folder,
            files=wish.files,
            incomplete_dir=wish.finishing.incomplete_dir(wish.folder, folder),
            preallocate=wish.finishing.preallocate,
            peers=self._networking.peers,
        )
        download.prefer(wish.preference)
        self._download = download
        return download

    async def see_through(self, download: Download) -> None:
        """Until it is complete, and given back as far as that was wished for. Raises what ends it early."""
        with blaming_the_disk(download):
            await download.completed()
            metainfo, folder = await download.metadata(), self._place(download.info_hash)
            await _report_saved(metainfo, download, folder, self._report)
            await self._wish.finishing.run_command(metainfo, _place(metainfo, folder), self._report)
            await give_back(download, self._wish.seed_ratio)

    def _place(self, info_hash: InfoHash) -> Path:
        """What a publisher names is mostly called as what it replaces, and content is never overwritten by other."""
        return self._wish.folder / str(info_hash) if self._wish.follow else self._wish.folder

    async def see_what_comes(self, download: Download) -> None:
        """As `see_through`; that a publisher named what cannot be downloaded is no reason not to await the next."""
        try:
            await self.see_through(download)
        except (InvalidMetainfo, PrivateTorrent) as error:
            self._report.say(f"magnetite: {download.info_hash}: {error}")


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


def _refuse_unusable(wish: Wish, feed: FeedLink | None, networking: Networking) -> None:
    """What cannot succeed fails before anybody is asked for anything. Raises StorageError or LocalProtocolError."""
    if wish.folder.exists() and not wish.folder.is_dir():
        raise StorageError(f"{wish.folder}: this is a file; name a folder with --dir", Reason.FILES_IN_THE_WAY)
    if feed is None and wish.follow:
        raise LocalProtocolError("--follow is for a publisher's link, magnet:?xs=urn:btpk:…; this names one torrent")
    if feed is not None and not networking.dht:
        raise LocalProtocolError("what a publisher's link stands for is in the DHT; do not use --no-dht")


def _selection(texts: Sequence[str]) -> FileSelection | None:
    try:
        return parse_selection(*texts) if texts else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
