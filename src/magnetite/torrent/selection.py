"""Which files of a torrent are wanted: the index lists of BEP 53, and patterns as people type them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeAlias

from magnetite.errors import LocalProtocolError
from magnetite.torrent.metainfo import FileEntry, Metainfo

IndexRanges: TypeAlias = tuple[tuple[int, int], ...]
"""First and last index of each range, both inclusive; ascending, not touching each other."""

MAX_INDEX = 1 << 31  # beyond any torrent; keeps numbers small, and ranges are never expanded before they are clipped

_RANGE = re.compile(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileSelection:
    """Files by index and by pattern. Neither given means every file."""

    ranges: IndexRanges = ()
    patterns: tuple[str, ...] = ()

    def indices(self, metainfo: Metainfo) -> frozenset[int]:
        """Indices of the selected files, padding left out. Raises LocalProtocolError if nothing is selected.

        A pattern is matched without regard to case against a file's path and against its path below the torrent's
        own folder; `*` crosses slashes, and a pattern that names a folder selects what is in it.
        """
        files = metainfo.files
        if not self.ranges and not self.patterns:
            chosen: Iterable[int] = range(len(files))
        else:
            by_index = (i for first, last in self.ranges for i in range(first, min(last + 1, len(files))))
            by_pattern = (i for i, entry in enumerate(files) if self._matches(entry)) if self.patterns else ()
            chosen = [*by_index, *by_pattern]
        indices = frozenset(i for i in chosen if not files[i].is_padding)
        if not indices:
            raise LocalProtocolError(
                f"no file of {metainfo.name!r} is selected by {self}: it has files 0 to {len(files) - 1}"
            )
        return indices

    def _matches(self, entry: FileEntry) -> bool:
        names = ("/".join(entry.path).lower(), "/".join(entry.path[1:]).lower())
        patterns = [pattern.lower().rstrip("/") for pattern in self.patterns]
        return any(
            name and (fnmatchcase(name, pattern) or fnmatchcase(name, pattern + "/*"))
            for pattern in patterns
            for name in names
        )

    def __str__(self) -> str:
        return " ".join(filter(None, [format_ranges(self.ranges), *self.patterns])) or "*"


def parse_selection(*texts: str) -> FileSelection:
    """Each text is an index list (`0,2,4-8`) or a pattern (`*.mkv`); what any of them selects is selected.

    Raises ValueError for an empty text or an index list that makes no sense.
    """
    ranges: list[tuple[int, int]] = []
    patterns: list[str] = []
    for text in texts:
        if not text.strip():
            raise ValueError("an empty file selection; write indices such as 0,2,4-8 or a pattern such as '*.mkv'")
        if set(text) <= set("0123456789,- "):
            ranges += parse_ranges(text)
        else:
            patterns.append(text.strip())
    return FileSelection(_merge(ranges), tuple(patterns))


def parse_ranges(text: str) -> IndexRanges:
    """The ranges of `0,2,4-8` (BEP 53), sorted and merged, not expanded. Raises ValueError."""
    return _merge(_parse_range(part) for part in text.split(","))


def format_ranges(ranges: IndexRanges) -> str:
    """Ranges as BEP 53 writes them: `0,2,4-8`."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _parse_range(part: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is no file index and no range such as 4-8")
    first = int(match[1])
    last = int(match[2] or first)
    if not first <= last < MAX_INDEX:
        raise ValueError(f"{part!r}: a range goes from a smaller to a larger file index")
    return first, last


def _merge(ranges: Iterable[tuple[int, int]]) -> IndexRanges:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return tuple(merged)
