"""Giving back what is complete."""

from __future__ import annotations

from math import inf

import trio

from magnetite.download import Download
from magnetite.errors import MagnetiteError

LOOK_EVERY = 1.0  # seconds between two looks at the share ratio


async def give_back(download: Download, ratio: float = inf) -> None:
    """Seed a complete download until `ratio` times its length has been sent in this run.

    Raises MagnetiteError if it ends by itself: the disk failed.
    """
    while not _has_given(download, ratio):
        with trio.move_on_after(LOOK_EVERY):
            await download.ended.wait()
            raise download.error or MagnetiteError("the download was removed")


def _has_given(download: Download, ratio: float) -> bool:
    progress = download.progress()
    return progress.uploaded >= ratio * (progress.length or 0)
