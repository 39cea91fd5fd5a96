from __future__ import annotations

from collections import Counter
from dataclasses import replace

from magnetite.cli.node_line import NodeLine
from magnetite.cli.status import DhtTally, Phase
from magnetite.dht.statistics import Counters
from tests.web.test_metrics import ADDRESS, STATISTICS


def test_a_node_that_nobody_answered_is_looking_for_somebody() -> None:
    lonely = replace(STATISTICS, addresses=(replace(ADDRESS, is_usable=False),))
    status = NodeLine().status(lonely, DhtTally(), now=0.0)
    assert (status.phase, status.words) == (Phase.JOINING, "looking for a first node of the DHT")


def test_what_goes_by_in_a_second_is_taken_from_the_counters() -> None:
    line = NodeLine()
    for second in range(31):
        counters = Counters(
            queries_received=Counter(ping=10 * second), bytes_received=1024 * second, bytes_sent=3072 * second
        )
        status = line.status(replace(STATISTICS, counters=counters), DhtTally(), now=100.0 + second)
    assert status.phase is Phase.SERVING
    assert status.words == (
        "400 contacts, 10 queries/s, in 1.0 KiB/s, out 3.0 KiB/s, stores 40 peers of 10 torrents, 5 items, 2 lookups"
    )
