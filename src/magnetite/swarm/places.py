"""How many connections there may be: in all, in one torrent, and by whom they were begun. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

PER_TORRENT, IN_ALL = 50, 200
FOR_CALLERS = 0.2  # of the places are kept from our own dialling, so that whoever dials us finds one


class Places:
    """Counts the connections of one client, those being dialled included."""

    def __init__(self, per_torrent: int = PER_TORRENT, in_all: int = IN_ALL) -> None:
        self.per_torrent = per_torrent
        self.in_all = in_all
        self._taken = 0

    def may_dial(self, in_torrent: int) -> bool:
        """Whether a torrent that has `in_torrent` connections may dial one more."""
        return in_torrent < _without_callers(self.per_torrent) and self._taken < _without_callers(self.in_all)

    def may_welcome(self, in_torrent: int) -> bool:
        """Whether a torrent that has `in_torrent` connections has a place for somebody who dialled us."""
        return in_torrent < self.per_torrent and self._taken < self.in_all

    @contextmanager
    def taken(self) -> Iterator[None]:
        """One place is taken while the block runs."""
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


def _without_callers(places: int) -> int:
    return max(1, int(places * (1 - FOR_CALLERS)))
