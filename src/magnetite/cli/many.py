"""Several downloads at once, with one client: a status line that sums them up, and a line for each that ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import trio

from magnetite.cli.exit_codes import exit_code
from magnetite.cli.status import Phase, Status
from magnetite.cli.text import count, duration, size
from magnetite.cli.torrent_argument import parse_all
from magnetite.download import Download, Progress
from magnetite.errors import MagnetiteError
from magnetite.ids import InfoHash
from magnetite.torrent.magnet import MagnetLink
from magnetite.torrent.metainfo import Metainfo


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be had: named as people named it, or as the torrent is."""

    what: str
    error: MagnetiteError


def understand(texts: Sequence[str], fail: Callable[[Failure], None]) -> dict[InfoHash, MagnetLink | Metainfo]:
    """What the texts name, each torrent once; `fail` is told what is wrong with the others. Blocks."""
    torrents: dict[InfoHash, MagnetLink | Metainfo] = {}
    for where, torrent in parse_all(texts, ()):
        if isinstance(torrent, MagnetiteError):
            fail(Failure(where, torrent))
        else:
            torrents.setdefault(torrent.info_hash, torrent)
    return torrents


async def see_all_through(
    downloads: Iterable[Download],
    see_through: Callable[[Download], Awaitable[None]],
    fail: Callable[[Failure], None],
) -> None:
    """Until each is complete or has failed; who fails does not hinder the others."""

    async def see(download: Download) -> None:
        try:
            await see_through(download)
        except MagnetiteError as error:
            fail(Failure(download.progress().name or str(download.info_hash), error))

    async with trio.open_nursery() as nursery:
        for download in downloads:
            nursery.start_soon(see, download)


def worst_of(failures: Sequence[Failure]) -> MagnetiteError:
    """One error for them all, with the reason of the one that has the highest exit code."""
    worst = max((failure.error for failure in failures), key=lambda error: exit_code(error.reason))
    return MagnetiteError(f"{count(len(failures), 'torrent')} could not be downloaded; see above", worst.reason)


def status_of_all(every: Sequence[Progress], failed: int, *, gives_back: bool = True) -> Status:
    """One line about all of them, which go on when they are complete if they `gives_back`. Pure."""
    done = sum(progress.is_complete for progress in every)
    words = f"{done} of {count(len(every) + failed, 'torrent')} done"
    if failed:
        words += f", {failed} failed"
    if unknown := sum(progress.length is None for progress in every):
        words += f", {unknown} without metadata yet"
    if paused := sum(progress.paused is not None for progress in every):
        words += f", {paused} paused"
    present = sum(progress.present for progress in every)
    total = sum(progress.length or 0 for progress in every)
    rate = sum(progress.download_rate for progress in every)
    peers = count(sum(progress.peers for progress in every), "peer")
    if every and done == len(every) and not gives_back:
        return Status(Phase.SEEDING, words, total, total or None)
    if every and done == len(every):
        sent = sum(progress.uploaded for progress in every)
        return Status(Phase.SEEDING, f"{words}: seeding to {peers}, {size(sent)} sent", total, total or None)
    words += f": {size(present)} of {size(total)}"
    if not rate:
        return Status(Phase.WAITING, f"{words}, {peers} connected", present, total or None)
    left = duration((total - present) / rate)
    return Status(Phase.DOWNLOADING, f"{words}, {size(rate)}/s from {peers}, {left} left", present, total or None)
