"""The line that a running node shows of itself. Pure."""

from __future__ import annotations

from typing import Final

from magnetite.cli.status import DhtTally, Phase, Status
from magnetite.cli.text import count, size
from magnetite.dht.statistics import NodeStatistics
from magnetite.swarm.rate import RateMeter

WINDOW: Final = 10.0  # seconds over which rates are taken


class NodeLine:
    """Remembers what the counters said before, for there are no rates without it."""

    def __init__(self) -> None:
        self._received, self._sent, self._queries = RateMeter(WINDOW), RateMeter(WINDOW), RateMeter(WINDOW)

    def status(self, statistics: NodeStatistics, tally: DhtTally, now: float) -> Status:
        """How the node is at this moment; what matters most comes first, for a terminal may be narrow."""
        counters = statistics.counters
        _advance(self._received, counters.bytes_received, now)
        _advance(self._sent, counters.bytes_sent, now)
        _advance(self._queries, counters.queries_received.total(), now)
        if not any(address.is_usable for address in statistics.addresses):
            return Status(Phase.JOINING, tally.joining())
        parts = [
            count(statistics.verified, "contact"),
            f"{self._queries.rate(now):.0f} queries/s",
            f"in {size(self._received.rate(now))}/s",
            f"out {size(self._sent.rate(now))}/s",
            f"stores {count(statistics.peers, 'peer')} of {count(statistics.info_hashes, 'torrent')}",
            count(statistics.items, "item"),
        ]
        if statistics.searches:
            parts.append(count(statistics.searches, "lookup"))
        return Status(Phase.SERVING, ", ".join(parts))


def _advance(meter: RateMeter, total: int, now: float) -> None:
    meter.add(total - meter.total, now)
