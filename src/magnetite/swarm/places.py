"""How many connections there may be: in all, in one torrent, and by whom they were begun. Pure."""

from __future__ import annotations

PER_TORRENT, IN_ALL = 50, 200
FOR_CALLERS = 0.2  # of the places in a torrent are kept from our own dialling, so that whoever dials us finds one


class Places:
    """Counts the connections of one client, those being dialled included."""

    def __init__(self, per_torrent: int = PER_TORRENT, in_all: int = IN_ALL) -> None:
        self.per_torrent = per_torrent
        self.to_dial = max(1, int(per_torrent * (1 - FOR_CALLERS)))  # of one torrent
        self._left = in_all

    def take(self) -> bool:
        """Whether there was a place; it is the caller's until `give_back`."""
        if self._left <= 0:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        self._left += 1
