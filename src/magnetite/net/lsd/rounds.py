"""When which torrent is announced to the local network (BEP 14, Usage). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

from magnetite.ids import InfoHash
from magnetite.net.lsd.announcement import MOST

EVERY: Final = 300.0  # seconds between two announces of a torrent
GAP: Final = 60.0  # seconds between two announces of whatever: "no more than 1 announce per minute"


class Rounds:
    """What was announced when.

    Invariant: at most one datagram in GAP, with at most MOST torrents; those that wait longest come first.
    """

    def __init__(self) -> None:
        self._last = -inf
        self._said: dict[InfoHash, float] = {}  # when; of the torrents there are

    def next(self, torrents: Iterable[InfoHash], now: float) -> tuple[InfoHash, ...]:
        """What of our torrents to announce now, which then is announced; mostly nothing."""
        if now < self._last + GAP:
            return ()
        self._said = {each: self._said.get(each, -inf) for each in torrents}
        due = sorted((said, each) for each, said in self._said.items() if said + EVERY <= now)[:MOST]
        if due:
            self._last = now
        for _, each in due:
            self._said[each] = now
        return tuple(each for _, each in due)

    def begin_again(self) -> None:
        """There are others to tell now: another network, perhaps."""
        self._said.clear()

    def hasten(self, info_hash: InfoHash) -> None:
        """Somebody new has announced the torrent, and does not know of us yet."""
        if info_hash in self._said:
            self._said[info_hash] = -inf
