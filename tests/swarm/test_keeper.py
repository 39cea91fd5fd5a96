"""What resume data may claim, where pieces come in while it is being made."""

from __future__ import annotations

from types import SimpleNamespace

from magnetite.ids import InfoHash
from magnetite.storage.base import FileStat
from magnetite.storage.resume import ResumeData
from magnetite.swarm.keeper import Keeper

BEFORE, AFTER = FileStat(1, 1), FileStat(2, 2)


class BusyDisk:
    """A disk to which a second piece is written during every flush."""

    doubts = 0

    def __init__(self, exchange: SimpleNamespace) -> None:
        self._exchange = exchange
        self._stat = BEFORE

    async def stats(self) -> tuple[FileStat]:
        return (self._stat,)

    async def flush(self) -> None:
        self._stat = AFTER
        self._exchange.have |= 0b10


async def test_a_file_that_is_written_during_a_flush_is_not_vouched_for() -> None:
    """Or a piece that came meanwhile, and is claimed by nobody, would be fetched again after a crash."""
    saved: list[ResumeData] = []

    async def remember(resume: ResumeData) -> None:
        saved.append(resume)

    exchange = SimpleNamespace(have=0b01, totals=(0, 0))
    metainfo = SimpleNamespace(info_hash=InfoHash(1), info=b"de")
    await Keeper(BusyDisk(exchange), metainfo, exchange, remember, None).flush_once()
    [resume] = saved
    assert resume.verified == 0b01
    assert resume.files == (BEFORE,)


async def test_where_nothing_has_come_since_the_last_flush_the_next_looks_at_no_file() -> None:
    saved: list[ResumeData] = []

    async def remember(resume: ResumeData) -> None:
        saved.append(resume)

    exchange = SimpleNamespace(have=0b11, totals=(5, 0))
    metainfo = SimpleNamespace(info_hash=InfoHash(1), info=b"de")
    disk = BusyDisk(exchange)
    keeper = Keeper(disk, metainfo, exchange, remember, None)
    await keeper.flush_once()
    exchange.totals = (5, 7)
    await keeper.flush_once()
    assert [(resume.files, resume.uploaded) for resume in saved] == [((BEFORE,), 0), ((BEFORE,), 7)]
    keeper.on_verified(1)
    await keeper.flush_once()
    assert saved[-1].files == (AFTER,)
