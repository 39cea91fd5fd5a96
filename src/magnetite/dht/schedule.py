"""When a torrent is searched for and announced again. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

FIRST_SEARCHES: Final = (5.0, 15.0, 30.0, 60.0)  # seconds after each search that found nobody; the last one goes on
ANNOUNCE_INTERVAL: Final = 15 * 60.0  # seconds; the DHT forgets a peer after about 30 minutes
CONTENT_FOR: Final = 1.0  # seconds the first peers found have to give the metadata, before others are looked for


def search_delays() -> Iterator[float]:
    """Seconds to wait between searches while no peer is known: 5, 15, 30, 60, 60, ... without end.

    Once peers are found the next search is the next announce, after ANNOUNCE_INTERVAL.
    """
    yield from FIRST_SEARCHES
    while True:
        yield FIRST_SEARCHES[-1]
