"""Callers that have not shaken hands yet: a crowd of silent ones must not keep an honest one out. Pure."""

from __future__ import annotations

from collections import Counter

MOST_WAITING = 1000  # callers; each costs a task and 16 KiB, for at most 10 s
MOST_FROM_ONE = 200  # callers of one address: one client may want many torrents at once, or many share a router


class Doorkeeper:
    """Counts callers by address. Invariant: an address with nobody waiting is not remembered."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()

    def admit(self, ip: str) -> bool:
        """Whether the caller may wait for its handshake; if so, `release` is due afterwards."""
        if self._waiting.total() >= MOST_WAITING or self._waiting[ip] >= MOST_FROM_ONE:
            return False
        self._waiting[ip] += 1
        return True

    def release(self, ip: str) -> None:
        self._waiting[ip] -= 1
        if not self._waiting[ip]:
            del self._waiting[ip]
