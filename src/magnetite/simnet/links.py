"""A host's line to the network: bytes leave and arrive one after the other, at its rate."""

from __future__ import annotations

from dataclasses import dataclass

QUEUE = 3.0  # seconds a datagram may wait for the line; home routers hold that much and drop the rest


@dataclass(frozen=True, slots=True)
class Link:
    """Bandwidth of a host, bytes/s of payload each way; None is infinite."""

    up: float | None = None
    down: float | None = None


class Line:
    """One direction of a link: a queue that is emptied in order, kept as the instant it will be empty."""

    __slots__ = ("_free_at", "rate")

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._free_at = 0.0

    def reserve(self, now: float, length: int) -> float:
        """The instant `length` more bytes will be through."""
        if self.rate is None:
            return now
        self._free_at = max(now, self._free_at) + length / self.rate
        return self._free_at

    def is_full(self, now: float) -> bool:
        return self._free_at - now > QUEUE
