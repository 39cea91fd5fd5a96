"""The blocklist of a running node: read at the start, and again at SIGHUP."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import trio

from magnetite.cli.report import Report
from magnetite.cli.text import count
from magnetite.cli.torrent_argument import read_file
from magnetite.dht.blocklist import Blocklist, parse_blocklist
from magnetite.dht.node import DhtNode
from magnetite.errors import MagnetiteError, Reason, StorageError

LARGEST: Final = 256 << 20  # bytes of a list; the longest that are published have some 20 MB


class Blocking:
    """The list in force, and the file it came from. Made by `open_blocking`."""

    def __init__(self, path: Path | None, blocklist: Blocklist, report: Report) -> None:
        self.blocklist = blocklist
        self._path = path
        self._report = report

    async def reload_at(self, hangups: AsyncIterator[int], node: DhtNode) -> None:
        """Read the file again at every signal; one that cannot be read changes nothing.

        Raises MagnetiteError where the signal says that our terminal has gone.
        """
        had_terminal = os.isatty(sys.stderr.fileno())
        async for _ in hangups:
            if had_terminal and not os.isatty(sys.stderr.fileno()):
                raise MagnetiteError("the terminal has gone", Reason.SHUTTING_DOWN)
            if self._path is None:
                self._report.say("SIGHUP: there is no blocklist to be read again (--blocklist)")
                continue
            try:
                blocklist = await _read(self._path)
            except StorageError as error:
                self._report.say(f"magnetite: {error}; the {_ranges(self.blocklist)} of before are kept")
                continue
            self.blocklist = blocklist
            node.block(blocklist)
            self._report.say(f"blocklist: {_ranges(blocklist)}")


async def open_blocking(path: Path | None, report: Report) -> Blocking:
    """What `--blocklist` names. Raises StorageError for a file that cannot be read, or is no list."""
    if path is None:
        return Blocking(None, Blocklist(), report)
    blocklist = await _read(path)
    report.say(f"blocklist: {_ranges(blocklist)}")
    return Blocking(path, blocklist, report)


async def _read(path: Path) -> Blocklist:
    """In a thread: a list of 100,000 ranges takes half a second."""
    return await trio.to_thread.run_sync(_parse, path, abandon_on_cancel=True)


def _parse(path: Path) -> Blocklist:
    text = read_file(path, LARGEST).decode(errors="replace")
    try:
        return parse_blocklist(text.splitlines())
    except ValueError as error:
        raise StorageError(f"{path}: {error}", Reason.NOT_READABLE) from None


def _ranges(blocklist: Blocklist) -> str:
    return count(len(blocklist), "range")
