"""How many connections there may be: in all, in one torrent, and by whom they were begun. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

PER_TORRENT, IN_ALL = 50, 200
HALF_OPEN = 100  # dials under way; the tables of routers at home are small, and each leaves an entry there
FOR_CALLERS = 0.2  # of the places are kept from our own dialling, so that whoever dials us finds one
FOR_OTHERS = 0.5  # of them from that of seeds, which can wait to be dialled: torrents that lack something come first


class Places:
    """Counts the connections of one client, those being dialled included."""

    def __init__(self, per_torrent: int = PER_TORRENT, in_all: int = IN_ALL) -> None:
        self.per_torrent = per_torrent
        self.in_all = in_all
        self._taken = _Counted()
        self._half_open = 0

    def may_dial(self, in_torrent: int, *, seeding: bool = False) -> bool:
        """Whether a torrent that has `in_torrent` connections may dial one more."""
        if self._half_open >= HALF_OPEN:
            return False
        kept = FOR_OTHERS if seeding else FOR_CALLERS
        return in_torrent < _without(kept, self.per_torrent) and self._taken.count < _without(kept, self.in_all)

    def may_welcome(self, in_torrent: int) -> bool:
        """Whether a torrent that has `in_torrent` connections has a place for somebody who dialled us."""
        return in_torrent < self.per_torrent and self._taken.count < self.in_all

    def taken(self) -> AbstractContextManager[None]:
        """One place is taken while the block runs."""
        return self._taken

    @contextmanager
    def half_open(self) -> Iterator[None]:
        """One place is taken, by somebody who is being dialled, while the block runs."""
        self._half_open += 1
        try:
            with self.taken():
                yield
        finally:
            self._half_open -= 1


class _Counted:
    """How many blocks run under it: one for all of them, since each of them is a connection, and stays."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


def _without(kept: float, places: int) -> int:
    return max(1, int(places * (1 - kept)))
