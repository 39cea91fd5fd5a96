"""What a torrent has on disk already."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from magnetite.storage.resume import ResumeData, doubtful_pieces
from magnetite.swarm.disk import Disk
from magnetite.torrent import pieces
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap

AT_ONCE = 4  # pieces being hashed; storage has two threads


@dataclass(frozen=True, slots=True)
class Findings:
    """Masks of pieces: those that are right, and those that had to be hashed to know."""

    have: int
    checked: int


class Survey:
    """How far the look at the disk is, in pieces."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0


async def survey(disk: Disk, metainfo: Metainfo, resume: ResumeData | None, progress: Survey) -> Findings:
    """Trust what resume data vouches for, hash what else may be there.

    Raises StorageError, in a group, where waiting cannot help.
    """
    stats = await disk.insist(disk.stats)
    doubtful = doubtful_pieces(resume, metainfo, stats)
    vouched_for = pieces.everything(metainfo.piece_count) & ~doubtful
    have = resume.verified & vouched_for if resume else 0
    disk.trust(have)
    absent = (file for file, stat in enumerate(stats) if stat is None and not metainfo.files[file].is_padding)
    doubtful &= ~PieceMap(metainfo).pieces_of(absent)
    unchecked = pieces.indices(doubtful)
    progress.total = doubtful.bit_count()

    async def check_some() -> None:
        nonlocal have
        for piece in unchecked:
            if await disk.verify(piece):
                have |= 1 << piece
            progress.done += 1

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(check_some)
    return Findings(have, doubtful)
