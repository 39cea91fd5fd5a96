from __future__ import annotations

import json

from magnetite.cli.node_page import describe_node
from magnetite.web.control import node_record
from tests.web.test_metrics import STATISTICS


def test_the_page_has_what_the_node_says() -> None:
    page = describe_node(json.loads(json.dumps(node_record(STATISTICS, blocked_ranges=7, uptime=7380.0))))
    for text in [
        "0.0.0.0:6881  joined\n",
        "node id     0000000000000000000000000000000000000001",
        "seen as     192.0.2.7:6881",
        "seen as     not known yet",
        "200 living contacts of 300; the DHT has about 9,000,000 nodes",
        "3 answers; slow after 250 ms",
        "up          2:03 h, magnetite ",
        "received    0 B: 13 queries, 0 answers, 0 errors",
        "made_up 9, ping 3, another 1",
        "sent        900 B: 4 queries (0 timed out), 2 answers, 0 errors",
        "ignored     junk 6\n",
        "2 under way, 1 finished, on average 0 queries in 500 ms",
        "40 peers of 10 torrents, 5 items",
        "7 ranges",
    ]:
        assert text in page
    assert all(character.isprintable() or character == "\n" for character in page)
