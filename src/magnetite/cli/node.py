"""`magnetite node`: be a node of the DHT, for months."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import click
import trio

from magnetite.cli.options import Networking, dht_options, report_options
from magnetite.cli.report import Report
from magnetite.cli.status import DhtTally, Phase, Status
from magnetite.cli.text import count
from magnetite.dht.node import DhtNode
from magnetite.dht.statistics import NodeStatistics
from magnetite.endpoint import Endpoint
from magnetite.events import Event

DEFAULT_PORT = 6881


@click.command(epilog="Example:  magnetite node --port 6881 --state /var/lib/magnetite")
@dht_options
@report_options
def node(networking: Networking, run: Callable[..., None]) -> None:
    """Run a node of the DHT until Ctrl-C or SIGTERM; its contacts are saved then, and now and again before.

    Listens on port 6881 unless --port names another.
    """
    run(partial(_serve, networking), serves=True)


async def _serve(networking: Networking, report: Report) -> None:
    tally = DhtTally()

    def observe(event: Event) -> None:
        tally.observe(event)
        report.observe(event)

    async with networking.open_node(observe, DEFAULT_PORT) as dht:
        report.say(f"node {dht.node_id} on {dht.local}")
        async with report.showing(lambda: _status(dht, tally)):
            await trio.sleep_forever()


def _status(dht: DhtNode, tally: DhtTally) -> Status:
    if not dht.is_usable:
        return Status(Phase.JOINING, f"{dht.local}: {tally.joining()}")
    return Status(Phase.SERVING, _words(dht.local, dht.statistics()))


def _words(local: Endpoint, statistics: NodeStatistics) -> str:
    counters = statistics.counters
    return (
        f"{local}: {count(statistics.verified, 'living contact')} of {statistics.contacts}, "
        f"{counters.answers_sent:,} of {counters.queries_received:,} queries answered, "
        f"{count(statistics.peers, 'peer')} stored of {count(statistics.info_hashes, 'torrent')}"
    )
