"""Which pieces somebody waits to read, and when they are due. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from itertools import islice
from typing import Final

from magnetite.torrent.pieces import of

MOST_DUE: Final = 64  # pieces of one reader: the request book looks at each of them whenever a peer has room


class Deadlines:
    """The windows of all readers together, the earliest piece first.

    Invariant: `_due` has the pieces of all windows, in order of time; none of them is there already. `pieces` are the
    same as a mask.
    """

    def __init__(self) -> None:
        self._windows: dict[Hashable, dict[int, float]] = {}
        self.pieces = 0
        self._due: dict[int, float] = {}  # piece -> seconds on the clock of `now`

    def __bool__(self) -> bool:
        return bool(self._due)

    def __iter__(self) -> Iterator[int]:
        """The pieces, the earliest first."""
        return iter(self._due)

    def __contains__(self, piece: int) -> bool:
        return piece in self._due

    def late(self, now: float) -> Iterator[int]:
        """The pieces that should be there by now."""
        for piece, due in self._due.items():
            if due > now:
                return
            yield piece

    def set(self, reader: Hashable, due: Mapping[int, float]) -> None:
        """Replace the window of one reader; its first MOST_DUE pieces count, and none stand for a reader that left."""
        self._windows.pop(reader, None)
        if due:
            self._windows[reader] = dict(islice(due.items(), MOST_DUE))
        self._merge()

    def met(self, piece: int) -> None:
        """The piece is there."""
        if self._due.pop(piece, None) is not None:
            self.pieces ^= 1 << piece
            for window in self._windows.values():
                window.pop(piece, None)

    def _merge(self) -> None:
        merged: dict[int, float] = {}
        for window in self._windows.values():
            for piece, due in window.items():
                merged[piece] = min(due, merged.get(piece, due))
        self._due = dict(sorted(merged.items(), key=lambda each: each[1]))
        self.pieces = of(self._due)
