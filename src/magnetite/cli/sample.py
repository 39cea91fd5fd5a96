"""`magnetite sample`: which torrents there are, asked of node after node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

import click
import trio

from magnetite.cli.asking import asking
from magnetite.cli.networking import Networking
from magnetite.cli.options import dht_options, report_options
from magnetite.cli.report import Report
from magnetite.cli.text import count
from magnetite.cli.values import Number
from magnetite.dht.crawl import CrawlTally
from magnetite.dht.crawler import CRAWL_RATE, HIGHEST_RATE
from magnetite.dht.node import DhtNode


@click.command(epilog="Example:  magnetite sample --rate 5 --duration 600 > info-hashes.txt")
@click.option(
    "--rate",
    type=Number(0, HIGHEST_RATE, min_open=True),
    default=CRAWL_RATE,
    show_default=True,
    metavar="N",
    help="Nodes to ask a second.",
)
@click.option("--count", "wanted", type=click.IntRange(min=1), metavar="N", help="End after so many info-hashes.")
@click.option("--duration", type=Number(min=0), metavar="SECONDS", help="End then.  [default: never]")
@dht_options
@report_options
def sample(
    rate: float, wanted: int | None, duration: float | None, networking: Networking, run: Callable[..., None]
) -> None:
    """Print info-hashes of torrents, asking node after node in all parts of the DHT what it stores.

    No node is asked again before the time it names. Ends when everybody has been asked, which may take days.
    """
    run(partial(_sample, rate, inf if wanted is None else wanted, inf if duration is None else duration, networking))


async def _sample(rate: float, wanted: float, duration: float, networking: Networking, report: Report) -> None:
    tally = CrawlTally()

    def words() -> str:
        return f"asked {count(tally.asked, 'node')}, {tally.answered} answered; {count(tally.info_hashes, 'info-hash')}"

    async with asking(networking, report, words) as node:
        try:
            with trio.move_on_after(duration):
                async with node.crawl(rate) as crawl:
                    tally = crawl.tally
                    printed = 0
                    async for info_hash in crawl:
                        await report.result(str(info_hash), "sample", info_hash=str(info_hash))
                        printed += 1
                        if printed >= wanted:
                            break
        finally:  # after Ctrl-C, too
            report.say(_summary(tally, _network_size(node)))
        network_size = _network_size(node)
        await report.record(
            "crawled",
            asked=tally.asked,
            answered=tally.answered,
            supporting=tally.supporting,
            info_hashes=tally.info_hashes,
            network_size=network_size,
            info_hashes_in_all=tally.estimate(network_size),
        )


def _network_size(node: DhtNode) -> int:
    return sum({address.local.is_ipv6: address.network_size for address in node.statistics().addresses}.values())


def _summary(tally: CrawlTally, network_size: int) -> str:
    text = (
        f"asked {count(tally.asked, 'node')}: {tally.answered:,} answered, {tally.supporting:,} gave samples; "
        f"{tally.info_hashes:,} different info-hashes"
    )
    estimate = tally.estimate(network_size)
    if estimate:
        text += f"; in all perhaps {estimate:,}, on {network_size:,} nodes"
    return text
