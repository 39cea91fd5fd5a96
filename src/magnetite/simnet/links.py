"""A host's line to the network: bytes leave and arrive one after the other, at its rate. Pure.

Rates are of payload: headers are left out. The classes are round figures in the range of what was measured: rates as
sold, latency after the FCC's 13th report (Measuring Fixed Broadband, 2024), buffers after Dischinger et al.
("Characterizing residential broadband networks", 2007) and Sundaresan et al. ("Broadband Internet performance: a view
from the gateway", 2011), who found from a few hundred milliseconds to seconds on uplinks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

QUEUE: Final = 3.0  # seconds that a line's buffer holds, where nothing else is said


@dataclass(frozen=True, slots=True)
class Link:
    """How a host is connected: bytes/s each way, None for any; seconds to the network, one way; seconds of buffers."""

    up: float | None = None
    down: float | None = None
    latency: float = 0.0
    up_queue: float = QUEUE
    down_queue: float = QUEUE


ADSL: Final = Link(up=125_000, down=2_000_000, latency=0.012, up_queue=1.0, down_queue=0.2)  # 1 and 16 Mbit/s
CABLE: Final = Link(up=1_250_000, down=12_500_000, latency=0.008, up_queue=0.5, down_queue=0.1)  # 10 and 100 Mbit/s
FIBRE: Final = Link(up=25_000_000, down=25_000_000, latency=0.004, up_queue=0.1, down_queue=0.1)  # 200 Mbit/s
DATACENTRE: Final = Link(up=125_000_000, down=125_000_000, latency=0.0005, up_queue=0.05, down_queue=0.05)  # 1 Gbit/s


class Line:
    """One direction of a link: a queue that is emptied in order, kept as the instants it will be empty."""

    __slots__ = ("_datagrams_free_at", "_free_at", "queue", "rate")

    def __init__(self, rate: float | None, queue: float) -> None:
        self.rate = rate
        self.queue = queue  # seconds
        self._free_at = 0.0
        self._datagrams_free_at = 0.0  # if there were nothing but datagrams

    def wait(self, now: float) -> float:
        """Seconds until what is queued will be through."""
        return max(0.0, self._free_at - now)

    def reserve(self, now: float, length: int) -> float:
        """The instant `length` more bytes will be through, however many are queued."""
        if self.rate is None:
            return now
        self._free_at = max(now, self._free_at) + length / self.rate
        return self._free_at

    def admit(self, now: float, length: int) -> float | None:
        """The same; None, and they are lost, if the buffer is full (drop-tail)."""
        return None if self._free_at - now > self.queue else self.reserve(now, length)

    def slip_in(self, now: float, length: int) -> float | None:
        """The same for a datagram among streams that take turns by the block, and queue more than a buffer holds.

        It waits behind them for as long as the buffer is deep, at most, and is lost only where datagrams alone fill it.
        """
        if self.rate is None:
            return now
        if self._datagrams_free_at - now > self.queue:
            return None
        ahead = min(self.wait(now), self.queue)
        self._datagrams_free_at = max(now, self._datagrams_free_at) + length / self.rate
        self.reserve(now, length)
        return max(now + ahead + length / self.rate, self._datagrams_free_at)
