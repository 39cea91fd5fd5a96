"""Says on the screen why downloads do not move: on request every few seconds, on a terminal when one sits still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

import trio

from magnetite.background import background
from magnetite.cli.report import Report
from magnetite.cli.text import printable, shortened
from magnetite.download import Download
from magnetite.ids import InfoHash

LOOK_EVERY: Final = 10.0  # seconds between two looks, and between two explanations that were asked for
STILL_AFTER: Final = 30.0  # seconds without anything new, then a terminal is told why, once


class Stillness:
    """Since when each download has not moved, and whether that was explained."""

    def __init__(self) -> None:
        self._states: dict[InfoHash, tuple[object, float | None]] = {}  # what it was, and since when, if unexplained

    def is_due(self, info_hash: InfoHash, state: object, now: float) -> bool:
        """Whether it has been in the same state for STILL_AFTER; true once for each such time."""
        known = self._states.get(info_hash)
        if known is None or known[0] != state:
            self._states[info_hash] = (state, now)
        elif known[1] is not None and now - known[1] >= STILL_AFTER:
            self._states[info_hash] = (state, None)
            return True
        return False


@asynccontextmanager
async def explaining(
    downloads: Callable[[], Iterable[Download]], report: Report, *, always: bool
) -> AsyncIterator[None]:
    """Explain the downloads that are not complete while the block runs; `always` every LOOK_EVERY, and at the end."""

    async def watch() -> None:
        stillness = Stillness()
        while True:
            await trio.sleep(LOOK_EVERY)
            for download in list(downloads()):
                if download.progress().is_complete:
                    continue
                if always or (report.has_terminal and _is_still(download, stillness)):
                    await _explain(download, report)

    async with background() as nursery:
        nursery.start_soon(watch)
        try:
            yield
        finally:
            for download in downloads() if always else ():
                if not download.progress().is_complete:
                    _say(download, download.explain(), report)


def _is_still(download: Download, stillness: Stillness) -> bool:
    progress = download.progress()
    state = (progress.downloaded, progress.pieces_checked, progress.is_checked, progress.pieces)
    return stillness.is_due(download.info_hash, state, trio.current_time())


async def _explain(download: Download, report: Report) -> None:
    sentences = download.explain()
    _say(download, sentences, report)
    await report.record("explained", info_hash=str(download.info_hash), sentences=sentences)


def _say(download: Download, sentences: Iterable[str], report: Report) -> None:
    report.say(f"{shortened(download.progress().name or str(download.info_hash))}:")
    for sentence in sentences:
        report.say(f"  {printable(sentence)}")
