from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import memory_stream_pair

from magnetite.dht.statistics import AddressStatistics, Counters, Ignored, NodeStatistics
from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId
from magnetite.web.metrics import metrics_app, node_registry
from magnetite.web.server import serve_connection

ADDRESS = AddressStatistics(
    local=Endpoint("0.0.0.0", 6881),
    external=Endpoint("192.0.2.7", 6881),
    node_id=NodeId(1),
    is_usable=True,
    is_read_only=False,
    contacts=300,
    verified=200,
    pending=3,
    stall=0.25,
    network_size=9_000_000,
)
STATISTICS = NodeStatistics(
    addresses=(ADDRESS, replace(ADDRESS, local=Endpoint("::", 6881), external=None, contacts=50)),
    searches=2,
    info_hashes=10,
    peers=40,
    items=5,
    counters=Counters(
        queries_received=Counter(ping=3, made_up=9, another=1),
        queries_sent=Counter(get_peers=4),
        ignored=Counter({Ignored.JUNK: 6}),
        answers_sent=2,
        bytes_sent=900,
        lookups=1,
        lookup_seconds=0.5,
    ),
)
DOCUMENTATION = Path(__file__).parents[2].joinpath("docs", "node.md").read_text()


async def scraped() -> str:
    """What Prometheus gets to read."""
    client, server = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, metrics_app(lambda: STATISTICS, lambda: 12), server)
        await client.send_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n")
        answer = b"".join([piece async for piece in client])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: text/plain" in head.lower()
    assert b"transfer-encoding: chunked" in head.lower()
    return "".join(body.decode().split("\r\n")[1::2])


async def samples() -> dict[tuple[str, ...], float]:
    """By name and the values of the labels."""
    families = text_string_to_metric_families(await scraped())
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


async def test_a_scrape_tells_what_the_node_counts() -> None:
    values = await samples()
    assert values["magnetite_dht_contacts", "0.0.0.0:6881"] == 300
    assert values["magnetite_dht_contacts", "[::]:6881"] == 50
    assert values["magnetite_dht_queries_total", "in", "ping"] == 3
    assert values["magnetite_dht_queries_total", "out", "get_peers"] == 4
    assert values["magnetite_dht_ignored_total", "junk"] == 6
    assert values["magnetite_dht_ignored_total", "budget"] == 0, "a series is there before it has something to say"
    assert values["magnetite_dht_bytes_total", "out"] == 900
    assert values["magnetite_dht_lookups_active",] == 2
    assert values["magnetite_dht_lookup_seconds_total",] == 0.5
    assert values["magnetite_dht_stored_peers",] == 40
    assert values["magnetite_dht_blocked_ranges",] == 12


async def test_strangers_make_up_no_labels() -> None:
    values = await samples()
    assert values["magnetite_dht_queries_total", "in", "other"] == 10
    assert not [key for key in values if "made_up" in key]


async def test_every_metric_is_documented_and_every_documented_metric_is_there() -> None:
    there = {
        sample.name for family in node_registry(lambda: STATISTICS, lambda: 0).collect() for sample in family.samples
    }
    documented = set(re.findall(r"^\| `(magnetite_\w+|process_\w+)", DOCUMENTATION, re.MULTILINE))
    assert documented == there
