"""`magnetite peers`: who shares a torrent, as far as the DHT knows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import click
import trio

from magnetite.cli.feeds import resolve
from magnetite.cli.networking import Networking
from magnetite.cli.options import dht_options, report_options
from magnetite.cli.report import Report
from magnetite.cli.status import DhtTally, Phase, Status
from magnetite.cli.text import count
from magnetite.cli.torrent_argument import parse_link
from magnetite.dht.node import DhtNode
from magnetite.endpoint import Endpoint
from magnetite.events import Event
from magnetite.ids import InfoHash
from magnetite.torrent.magnet import MagnetLink, parse_feed_link

FOLLOW_EVERY = 60.0  # seconds between the end of a search and the next
MOST_REMEMBERED = 100_000  # peers that are not printed again; strangers name them, so there is a limit


@click.command(epilog="Example:  magnetite peers 2c6b6858d61da9543d4231a71db4b1c9264b0685 --follow")
@click.argument("torrent", metavar="INFOHASH|MAGNET")
@click.option("--follow", is_flag=True, help="Search again and again, and print who is new, until Ctrl-C.")
@dht_options
@report_options
def peers(torrent: str, follow: bool, networking: Networking, run: Callable[..., None]) -> None:
    """Print the address of every peer that the DHT names for a torrent, as it is found."""
    run(partial(_peers, torrent, follow, networking), serves=follow)


async def _peers(torrent: str, follow: bool, networking: Networking, report: Report) -> None:
    link = parse_feed_link(torrent) or parse_link(torrent)
    tally, seen = DhtTally(), set[Endpoint]()

    def observe(event: Event) -> None:
        tally.observe(event)
        report.observe(event)

    async with (
        networking.open_node(observe, default_port=0) as node,
        report.showing(lambda: _status(tally, len(seen))),
    ):
        info_hash = link.info_hash if isinstance(link, MagnetLink) else await resolve(node, link)
        await _search(node, info_hash, seen, report)
        while follow:
            await trio.sleep(FOLLOW_EVERY)
            await _search(node, info_hash, seen, report)
    report.say(_status(tally, len(seen)).words)


async def _search(node: DhtNode, info_hash: InfoHash, seen: set[Endpoint], report: Report) -> None:
    async with node.get_peers(info_hash) as search:
        async for endpoint in search:
            if endpoint in seen:
                continue
            if len(seen) >= MOST_REMEMBERED:
                seen.clear()
            seen.add(endpoint)
            await report.result(str(endpoint), "peer", info_hash=str(info_hash), endpoint=str(endpoint))


def _status(tally: DhtTally, found: int) -> Status:
    if not tally.has_joined:
        return Status(Phase.JOINING, tally.joining())
    return Status(Phase.SEARCHING, f"asked {count(tally.asked, 'node')}, found {count(found, 'peer')}")
