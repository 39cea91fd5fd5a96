"""`magnetite node`: be a node of the DHT, for months."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import click
import trio

from magnetite.background import background
from magnetite.cli.blocking import Blocking, open_blocking
from magnetite.cli.networking import Networking, NodeSettings
from magnetite.cli.node_line import NodeLine
from magnetite.cli.options import CONTROL_SOCKET, node_options, report_options
from magnetite.cli.reaching import port_mapping_option
from magnetite.cli.report import Report
from magnetite.cli.state_lock import locking
from magnetite.cli.status import DhtTally
from magnetite.dht.node import DhtNode
from magnetite.events import Event
from magnetite.web.listeners import tcp_listener, unix_listener
from magnetite.web.lookup_log import LookupLog


@click.command(epilog="Example:  magnetite node --state /var/lib/magnetite --metrics 127.0.0.1:9881")
@node_options
@port_mapping_option
@report_options
def node(networking: Networking, settings: NodeSettings, run: Callable[..., None]) -> None:
    """Run a node of the DHT until Ctrl-C or SIGTERM; its contacts are saved then, and now and again before.

    Listens on port 6881 unless --port names another. See how it is doing with `magnetite status`.
    """
    run(partial(_serve, networking, settings), serves=True)


async def _serve(networking: Networking, settings: NodeSettings, report: Report) -> None:
    tally, lookups = DhtTally(), LookupLog()

    def observe(event: Event) -> None:
        tally.observe(event)
        lookups.observe(event)
        report.observe(event)

    assert networking.state is not None  # it has a default
    async with AsyncExitStack() as stack:
        hangups = stack.enter_context(trio.open_signal_receiver(signal.SIGHUP))  # from now on it does not kill
        stack.enter_context(locking(networking.state))
        blocking = await open_blocking(settings.blocklist, report)
        control = settings.control or networking.state / CONTROL_SOCKET
        orders = await stack.enter_async_context(unix_listener(control))
        scrapes = await stack.enter_async_context(tcp_listener(*settings.metrics)) if settings.metrics else None
        dht = await stack.enter_async_context(settings.open_node(networking, observe, blocking.blocklist))
        nursery = await stack.enter_async_context(background())
        nursery.start_soon(blocking.reload_at, hangups, dht)
        nursery.start_soon(_serve_control, dht, lookups, blocking, orders)
        if scrapes is not None:
            nursery.start_soon(_serve_metrics, dht, blocking, scrapes)
        _introduce(dht, settings, report)
        line = NodeLine()
        async with report.showing(lambda: line.status(dht.statistics(), tally, trio.current_time())):
            await trio.sleep_forever()


async def _serve_control(dht: DhtNode, lookups: LookupLog, blocking: Blocking, listener: trio.SocketListener) -> None:
    # Imported where they are needed, here and below: other verbs would start a quarter of a second later.
    from magnetite.web.control import control_app
    from magnetite.web.server import serve

    await serve(control_app(dht, lookups, lambda: len(blocking.blocklist)), [listener])


async def _serve_metrics(dht: DhtNode, blocking: Blocking, listener: trio.SocketListener) -> None:
    from magnetite.web.metrics import metrics_app
    from magnetite.web.server import serve

    await serve(metrics_app(dht.statistics, lambda: len(blocking.blocklist)), [listener])


def _introduce(dht: DhtNode, settings: NodeSettings, report: Report) -> None:
    for address in dht.statistics().addresses:
        report.say(f"node {address.node_id} on {address.local}")
    if settings.metrics is not None:
        host, port = settings.metrics
        report.say(f"metrics at http://{f'[{host}]' if ':' in host else host}:{port}/metrics")
