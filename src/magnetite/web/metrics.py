"""What Prometheus is told of a node, read from it at the moment of the scrape. docs/node.md has the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from magnetite.dht.statistics import AddressStatistics, Counters, Ignored, NodeStatistics
from magnetite.web.server import App

METHODS: Final = frozenset(
    {"ping", "find_node", "get_peers", "announce_peer", "get", "put", "sample_infohashes"}
)  # all others are "other": strangers must not make up labels


def metrics_app(statistics: Callable[[], NodeStatistics], blocked_ranges: Callable[[], int]) -> App:
    """An application that answers a scrape, whatever its path."""
    app: App = make_asgi_app(node_registry(statistics, blocked_ranges))
    return app


def node_registry(statistics: Callable[[], NodeStatistics], blocked_ranges: Callable[[], int]) -> CollectorRegistry:
    """The metrics of a node and of its process. Not the global registry: a program may have several nodes."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(statistics, blocked_ranges))
    ProcessCollector(registry=registry)
    return registry


class NodeCollector(Collector):
    """Turns a node's statistics into metrics."""

    def __init__(self, statistics: Callable[[], NodeStatistics], blocked_ranges: Callable[[], int]) -> None:
        self._statistics = statistics
        self._blocked_ranges = blocked_ranges

    def collect(self) -> Iterator[Metric]:
        statistics = self._statistics()
        yield InfoMetricFamily("magnetite", "The program", {"version": version("magnetite")})
        yield from _addresses(statistics.addresses)
        yield from _stores(statistics)
        yield from _traffic(statistics.counters)
        yield from _lookups(statistics)
        yield GaugeMetricFamily(
            "magnetite_dht_blocked_ranges", "Address ranges of the blocklist", self._blocked_ranges()
        )


def _addresses(addresses: Iterable[AddressStatistics]) -> Iterator[Metric]:
    described = InfoMetricFamily("magnetite_dht_address", "An address the node is bound to", labels=["local"])
    gauges: list[tuple[GaugeMetricFamily, Callable[[AddressStatistics], float]]] = [
        (_gauge("usable", "1 if somebody has answered, and searches can begin"), lambda each: each.is_usable),
        (
            _gauge("read_only", "1 if it answers nobody, being unreachable (BEP 43)"),
            lambda each: each.is_read_only,
        ),
        (_gauge("contacts", "Contacts in the routing table"), lambda each: each.contacts),
        (_gauge("verified_contacts", "Contacts that have answered us"), lambda each: each.verified),
        (_gauge("pending_queries", "Queries of ours that wait for an answer"), lambda each: each.pending),
        (_gauge("stall_seconds", "After so long a silent node's turn goes to another"), lambda each: each.stall),
        (_gauge("network_size", "Nodes in the DHT, estimated; 0 if unknown"), lambda each: each.network_size),
    ]
    for address in addresses:
        local, external = str(address.local), address.external
        described.add_metric(
            [local], {"node_id": str(address.node_id), "external": "" if external is None else external.ip}
        )
        for gauge, value_of in gauges:
            gauge.add_metric([local], float(value_of(address)))
    yield described
    yield from (gauge for gauge, _ in gauges)


def _gauge(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"magnetite_dht_{name}", documentation, labels=["local"])


def _stores(statistics: NodeStatistics) -> Iterator[Metric]:
    yield GaugeMetricFamily("magnetite_dht_stored_info_hashes", "Torrents whose peers we store", statistics.info_hashes)
    yield GaugeMetricFamily("magnetite_dht_stored_peers", "Peers we store for others", statistics.peers)
    yield GaugeMetricFamily("magnetite_dht_stored_items", "Items we store for others (BEP 44)", statistics.items)


def _traffic(counters: Counters) -> Iterator[Metric]:
    queries = CounterMetricFamily("magnetite_dht_queries", "Queries read or sent", labels=["direction", "method"])
    for direction, methods in (("in", counters.queries_received), ("out", counters.queries_sent)):
        for method in sorted(METHODS):
            queries.add_metric([direction, method], methods[method])
        others = sum(number for method, number in methods.items() if method not in METHODS)
        queries.add_metric([direction, "other"], others)
    yield queries
    yield _both_ways("responses", "Answers", counters.responses_received, counters.answers_sent)
    yield _both_ways("errors", "Refusals", counters.errors_received, counters.errors_sent)
    yield _both_ways("bytes", "Bytes of datagrams", counters.bytes_received, counters.bytes_sent)
    yield CounterMetricFamily("magnetite_dht_timeouts", "Queries of ours that nobody answered", counters.timeouts)
    ignored = CounterMetricFamily("magnetite_dht_ignored", "Datagrams that were not answered", labels=["reason"])
    for reason in Ignored:
        ignored.add_metric([reason.value], counters.ignored[reason])
    yield ignored


def _both_ways(name: str, what: str, received: int, sent: int) -> CounterMetricFamily:
    metric = CounterMetricFamily(f"magnetite_dht_{name}", f"{what} received or sent", labels=["direction"])
    metric.add_metric(["in"], received)
    metric.add_metric(["out"], sent)
    return metric


def _lookups(statistics: NodeStatistics) -> Iterator[Metric]:
    counters = statistics.counters
    yield GaugeMetricFamily("magnetite_dht_lookups_active", "Lookups under way", statistics.searches)
    yield CounterMetricFamily("magnetite_dht_lookups", "Lookups that have ended", counters.lookups)
    yield CounterMetricFamily("magnetite_dht_lookup_queries", "Queries they sent", counters.lookup_queries)
    yield CounterMetricFamily("magnetite_dht_lookup_seconds", "Seconds they took, added up", counters.lookup_seconds)
