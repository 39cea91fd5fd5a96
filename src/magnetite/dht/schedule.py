"""When a torrent is searched for and announced again. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

FIRST_SEARCHES: Final = (5.0, 15.0, 30.0, 60.0)  # seconds after each search that found nobody; the last one goes on
ANNOUNCE_INTERVAL: Final = 15 * 60.0  # seconds; the DHT forgets a peer after about 30 minutes
SEEDS_A_SECOND: Final = 2.0  # announces of complete torrents a client begins; each takes about 60 of its 250 queries/s
SEEDS_AT_ONCE: Final = 8  # after a quiet time
DIALLING_FOR: Final = 0.05  # seconds the first peers found are dialled in, before other nodes are asked for more
CONTENT_FOR: Final = 1.0  # seconds the first peers found have to give the metadata, before others are looked for


def announce_delay(rng: Random) -> float:
    """Seconds to the next announce: torrents that were added together drift apart, and no announce is late."""
    return ANNOUNCE_INTERVAL * rng.uniform(0.8, 1.0)


def search_delays() -> Iterator[float]:
    """Seconds to wait between searches while no peer is known: 5, 15, 30, 60, 60, ... without end.

    Once peers are found the next search is the next announce, after ANNOUNCE_INTERVAL.
    """
    yield from FIRST_SEARCHES
    while True:
        yield FIRST_SEARCHES[-1]
