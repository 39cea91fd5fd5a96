"""`magnetite info`: what is behind magnet links, without downloading it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path

import click
import trio

from magnetite.cli.description import describe, real_files
from magnetite.cli.networking import Networking
from magnetite.cli.options import report_options, swarm_options
from magnetite.cli.report import Report
from magnetite.cli.status import DhtTally, Phase, Status
from magnetite.cli.text import count
from magnetite.cli.torrent_argument import parse_all, read_list
from magnetite.cli.values import Number
from magnetite.client import Client
from magnetite.errors import MagnetiteError, Reason
from magnetite.ids import InfoHash
from magnetite.storage.atomic import write_atomically
from magnetite.swarm.places import Places
from magnetite.torrent.magnet import MagnetLink
from magnetite.torrent.metainfo import Metainfo, encode_torrent

# A thousand links may be open at once, each for a few KiB. A peer or two with the metadata is enough for each, and a
# search is mostly waiting: what is limited for downloads at home by default has higher limits here.
PEERS_EACH = 8
PEERS_IN_ALL = 600  # below the 1,024 open files that most systems allow
DIAL_RATE = 500.0  # connections/s
QUERY_RATE = 3000.0  # DHT queries/s, some 300 KB/s; 200 links at once need 2,000 in all

UNRESOLVED_SHOWN = 10  # in text, when the time is over


@click.command(epilog="Example:  magnetite info --from links.txt --save torrents --timeout 600")
@click.argument("torrents", nargs=-1, metavar="[MAGNET|INFOHASH|FILE.torrent]...")
@click.option(
    "--from", "list_file", metavar="FILE|-", help="Read links from a file or standard input, one a line; # comments."
)
@click.option("--save", type=click.Path(path_type=Path), metavar="DIR", help="Write each as DIR/INFOHASH.torrent.")
@click.option("--timeout", type=Number(min=0), metavar="SECONDS", help="Give up then.  [default: never]")
@swarm_options
@report_options
def info(
    torrents: Sequence[str],
    list_file: str | None,
    save: Path | None,
    timeout: float | None,
    networking: Networking,
    run: Callable[..., None],
) -> None:
    """Show name, size, files and info-hash of torrents, each as soon as its metadata is there.

    Many links at once are fine. It waits for those nobody answers for, until --timeout or Ctrl-C.
    """
    if not torrents and list_file is None:
        raise click.UsageError("name a magnet link, or a list of them with --from")

    async def verb(report: Report) -> None:
        inquiry = Inquiry(networking, save, report)
        await inquiry.take_in(torrents, list_file)
        if inquiry.waiting:
            await inquiry.resolve(inf if timeout is None else timeout)
        inquiry.raise_first_failure()

    run(verb)


class Inquiry:
    """What was asked for, what has been found out, and what has failed. Everything is reported as it happens."""

    def __init__(self, networking: Networking, save: Path | None, report: Report) -> None:
        self.waiting: dict[InfoHash, MagnetLink] = {}
        self._networking = networking
        self._save = save
        self._report = report
        self._failures: list[MagnetiteError] = []
        self._resolved = 0
        self._dht = DhtTally()

    async def take_in(self, torrents: Sequence[str], list_file: str | None) -> None:
        """Read what was named; torrents in files need no network, and bad links are no reason not to go on."""
        lines: list[str] = []
        if list_file is not None:
            lines = await trio.to_thread.run_sync(read_list, list_file, abandon_on_cancel=True)
        for where, torrent in parse_all(torrents, lines):
            match torrent:
                case MagnetiteError():
                    await self._on_failure(where, torrent)
                case Metainfo():
                    await self._on_resolved(torrent)
                case MagnetLink():
                    self.waiting.setdefault(torrent.info_hash, torrent)

    async def resolve(self, timeout: float) -> None:
        """Fetch the metadata of all that wait, at once, for at most `timeout` seconds."""
        async with (
            self._networking.open_client(
                self._dht.observe,
                places=Places(PEERS_EACH, PEERS_IN_ALL),
                dial_rate=DIAL_RATE,
                query_rate=QUERY_RATE,
                address_rate=QUERY_RATE,
            ) as client,
            self._report.showing(self._status),
        ):
            with trio.move_on_after(timeout):
                async with trio.open_nursery() as nursery:
                    for link in self.waiting.values():
                        nursery.start_soon(self._fetch, client, link)
        await self._give_up()

    def raise_first_failure(self) -> None:
        if self._failures:
            message = f"no metadata of {count(self._failures, 'torrent')}, see above"
            raise MagnetiteError(message, self._failures[0].reason)

    async def _fetch(self, client: Client, link: MagnetLink) -> None:
        try:
            metainfo = await client.fetch_metadata(link, self._networking.peers)
        except MagnetiteError as error:
            await self._on_failure(str(link.info_hash), error)
        else:
            await self._on_resolved(metainfo)
        del self.waiting[link.info_hash]

    async def _give_up(self) -> None:
        error = MagnetiteError("nobody sent the metadata in time", Reason.TIMEOUT)
        for number, info_hash in enumerate(self.waiting):
            await self._on_failure(str(info_hash), error, quietly=number >= UNRESOLVED_SHOWN)
        if len(self.waiting) > UNRESOLVED_SHOWN:
            self._report.say(f"… and {count(len(self.waiting) - UNRESOLVED_SHOWN, 'torrent')} more (all with --json)")
        self.waiting.clear()

    async def _on_resolved(self, metainfo: Metainfo) -> None:
        self._resolved += 1
        if self._save is not None:
            path = self._save / f"{metainfo.info_hash}.torrent"
            await trio.to_thread.run_sync(write_atomically, path, encode_torrent(metainfo))
        await self._report.result(
            describe(metainfo),
            "metadata",
            info_hash=str(metainfo.info_hash),
            name=metainfo.name,
            length=metainfo.length,
            files=[{"path": "/".join(entry.path), "length": entry.length} for entry in real_files(metainfo)],
        )

    async def _on_failure(self, where: str, error: MagnetiteError, *, quietly: bool = False) -> None:
        self._failures.append(error)
        if not quietly:
            self._report.say(f"magnetite: {where}: {error}")
        await self._report.record("failed", where=where, reason=error.reason.name.lower(), message=str(error))

    def _status(self) -> Status:
        done, total = self._resolved + len(self._failures), self._resolved + len(self._failures) + len(self.waiting)
        words = f"{self._resolved} of {count(total, 'torrent')} resolved"
        if self._failures:
            words += f", {len(self._failures)} failed"
        if not self._networking.dht:
            return Status(Phase.METADATA, words, done, total)
        if not self._dht.has_joined:
            return Status(Phase.JOINING, f"{words}; {self._dht.joining()}", done, total)
        return Status(Phase.METADATA, f"{words}; asked {count(self._dht.asked, 'node')}", done, total)
