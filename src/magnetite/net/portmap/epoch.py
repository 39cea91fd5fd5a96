"""Whether a router's clock tells of a restart: NAT-PMP and PCP count seconds since it knows of mappings. Pure."""

from __future__ import annotations

from typing import Final

SLACK: Final = 2.0  # seconds (RFC 6886, 3.6)
SLOWEST: Final = 7 / 8  # of our clock's speed that the router's may have (RFC 6886, 3.6; RFC 6887, 8.5 allows 15/16)


class EpochWatch:
    """The last epoch a gateway told, and when. Many of them jump, and mostly so that mappings are lost."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None

    def note(self, epoch: int, now: float) -> bool:
        """Whether the gateway has restarted since its epoch was noted last (seconds)."""
        last, self._last = self._last, (epoch, now)
        if last is None:
            return False
        return epoch < last[0] + SLOWEST * (now - last[1]) - SLACK
