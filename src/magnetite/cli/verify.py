"""`magnetite verify`: hash what is on disk of a torrent, and say of each file whether it is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio

from magnetite.cli.networking import Networking
from magnetite.cli.options import folder_option, report_options, swarm_options
from magnetite.cli.report import Report
from magnetite.cli.status import Phase, Status
from magnetite.cli.text import count, printable, shortened, size
from magnetite.cli.torrent_argument import parse_torrent
from magnetite.errors import Reason, StorageError
from magnetite.storage.base import FileStat
from magnetite.storage.files import THREADS, FileStorage, open_storage
from magnetite.storage.resume_folder import ResumeFolder
from magnetite.torrent.magnet import MagnetLink
from magnetite.torrent.metainfo import Metainfo, decode_info
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.pieces import everything

RESUME: Final = "resume"  # the folder in the state folder that knows the metadata of what was downloaded


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What was found of one file: how many of its pieces there are, and how many of them are wrong."""

    path: str
    length: int
    size: int | None  # as it is on disk, in bytes; None where it is not
    pieces: int
    wrong: int

    @property
    def is_right(self) -> bool:
        return self.state == "right"

    @property
    def state(self) -> str:
        if self.size is None:
            return "missing"
        if self.wrong:
            return "damaged"
        return "longer" if self.size > self.length else "right"

    def line(self) -> str:
        details = []
        if self.state == "damaged":
            details.append(f"{self.wrong} of {count(self.pieces, 'piece')} wrong")
        if self.size is not None and self.size > self.length:
            details.append(f"{count(self.size - self.length, 'byte')} too many at its end")
        return f"{self.state:7}  {printable(self.path)}{': ' if details else ''}{', '.join(details)}"


@click.command(epilog="Example:  magnetite verify film.torrent --dir ~/Downloads")
@click.argument("torrent", metavar="MAGNET|INFOHASH|FILE.torrent")
@folder_option("Folder it was downloaded into.")
@swarm_options
@report_options
def verify(torrent: str, folder: Path, networking: Networking, run: Callable[..., None]) -> None:
    """Say of each file of a torrent whether it is right, longer, damaged or missing; nothing is changed.

    A piece that lies in two files is wrong in both if it is in one.
    """
    run(partial(_verify, torrent, folder, networking))


async def _verify(torrent: str, folder: Path, networking: Networking, report: Report) -> None:
    metainfo = await _metadata(torrent, networking, report)
    async with open_storage(metainfo, folder, wanted=(), only_checking=True) as storage:
        stats = await storage.stats()
        right = await _right_pieces(storage, metainfo, report)
    files = list(checked_files(metainfo, right, stats))
    for file in files:
        await report.result(
            file.line(),
            "file",
            path=file.path,
            length=file.length,
            state=file.state,
            pieces=file.pieces,
            wrong=file.wrong,
        )
    bad = sum(not file.is_right for file in files)
    await report.record(
        "verified",
        info_hash=str(metainfo.info_hash),
        name=metainfo.name,
        files=len(files),
        files_right=len(files) - bad,
        pieces=metainfo.piece_count,
        pieces_right=right.bit_count(),
    )
    if bad:
        raise StorageError(
            f"{printable(metainfo.name)}: {bad} of {count(files, 'file')} not right; "
            "get it again, which mends that, or says what has to be moved out of its way",
            Reason.CONTENT_DIFFERS,
        )


def checked_files(metainfo: Metainfo, right: int, stats: Sequence[FileStat | None]) -> Iterator[CheckedFile]:
    """What a set of right pieces and the files that are there mean for each file; padding is left out. Pure."""
    piece_map = PieceMap(metainfo)
    for index, entry in enumerate(metainfo.files):
        if not entry.is_padding:
            pieces = piece_map.pieces_of_file(index)
            good = (right >> pieces.start & everything(len(pieces))).bit_count()
            stat = stats[index]
            size = None if stat is None else stat.size
            yield CheckedFile("/".join(entry.path), entry.length, size, len(pieces), len(pieces) - good)


async def _metadata(torrent: str, networking: Networking, report: Report) -> Metainfo:
    """From the torrent, from what is remembered of a download, or from peers."""
    parsed = parse_torrent(torrent)
    if not isinstance(parsed, MagnetLink):
        return parsed
    if networking.state is not None:
        resume = await ResumeFolder(networking.state / RESUME).load(parsed.info_hash)
        if resume is not None:
            return decode_info(resume.info, parsed.info_hash)
    async with networking.open_client(report.observe) as client:
        words = f"{shortened(parsed.name or 'magnet')}: looking for its metadata"
        async with report.showing(lambda: Status(Phase.METADATA, words)):
            return await client.fetch_metadata(parsed, networking.peers)


async def _right_pieces(storage: FileStorage, metainfo: Metainfo, report: Report) -> int:
    """The set of the pieces whose hash is right, with a bar while they are hashed."""
    right = done = 0
    pieces = iter(range(metainfo.piece_count))
    name = shortened(metainfo.name)

    def status() -> Status:
        hashed = min(done * metainfo.piece_length, metainfo.length)
        words = f"{name}: hashed {size(hashed)} of {size(metainfo.length)}"
        return Status(Phase.HASHING, words, hashed, metainfo.length)

    async def hash_some() -> None:
        nonlocal right, done
        for piece in pieces:
            if await storage.hash_piece(piece) == metainfo.piece_hash(piece):
                right |= 1 << piece
            done += 1

    async with report.showing(status), trio.open_nursery() as nursery:
        for _ in range(THREADS):
            nursery.start_soon(hash_some)
    return right
