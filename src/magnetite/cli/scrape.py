"""`magnetite scrape`: how many seed and how many download a torrent, as far as the DHT knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import click
import trio

from magnetite.cli.asking import asking
from magnetite.cli.feeds import resolve
from magnetite.cli.networking import Networking
from magnetite.cli.options import dht_options, report_options
from magnetite.cli.report import Report
from magnetite.cli.text import count
from magnetite.cli.torrent_argument import parse_link
from magnetite.dht.node import DhtNode
from magnetite.errors import MagnetiteError, Reason
from magnetite.torrent.magnet import FeedLink, MagnetLink, parse_feed_link

AT_ONCE = 4  # "concurrently active scrapes for inactive torrents should be limited" (BEP 33, Scrape scheduling)


@click.command(epilog="Example:  magnetite scrape 2c6b6858d61da9543d4231a71db4b1c9264b0685")
@click.argument("torrents", nargs=-1, required=True, metavar="INFOHASH|MAGNET...")
@dht_options
@report_options
def scrape(torrents: Sequence[str], networking: Networking, run: Callable[..., None]) -> None:
    """Estimate how many seeds and downloaders torrents have, without a tracker and without joining them."""
    run(partial(_scrape, torrents, networking))


async def _scrape(torrents: Sequence[str], networking: Networking, report: Report) -> None:
    links = list(dict.fromkeys(parse_feed_link(text) or parse_link(text) for text in torrents))
    told: list[bool] = []
    slots = trio.CapacityLimiter(AT_ONCE)

    async def one(node: DhtNode, link: FeedLink | MagnetLink) -> None:
        async with slots:
            told.append(await _scrape_one(node, link, report))

    def words() -> str:
        return f"{len(told)} of {count(links, 'torrent')} scraped"

    async with asking(networking, report, words) as node, trio.open_nursery() as nursery:
        for link in links:
            nursery.start_soon(one, node, link)
    if not all(told):
        raise MagnetiteError(
            f"nobody in the DHT knows peers of {count(told.count(False), 'torrent')}", Reason.NOT_FOUND
        )


async def _scrape_one(node: DhtNode, link: FeedLink | MagnetLink, report: Report) -> bool:
    """Whether anybody knows peers of it."""
    info_hash = link.info_hash if isinstance(link, MagnetLink) else await resolve(node, link)
    census = await node.scrape(info_hash)
    seeds, downloaders = (round(each.estimate()) for each in (census.result.seeds, census.result.peers))
    await report.result(
        f"{info_hash}: about {count(seeds, 'seed')} and {count(downloaders, 'downloader')}, "
        f"told by {count(census.nodes, 'node')}",
        "scraped",
        info_hash=str(info_hash),
        seeds=seeds,
        downloaders=downloaders,
        nodes=census.nodes,
    )
    return census.nodes > 0
