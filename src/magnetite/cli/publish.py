"""`magnetite publish`: say in the DHT which torrent is your latest (BEP 46)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import trio

from magnetite.cli.asking import asking
from magnetite.cli.item_text import encode_salt
from magnetite.cli.key_file import read_key
from magnetite.cli.networking import Networking
from magnetite.cli.options import dht_options, report_options
from magnetite.cli.report import Report
from magnetite.cli.storing import newest_of, put, sign_next
from magnetite.cli.text import count
from magnetite.cli.torrent_argument import parse_torrent
from magnetite.dht.feed import decode_feed, encode_feed
from magnetite.torrent.magnet import FeedLink


@click.command(epilog="Example:  magnetite publish my.pem 2c6b6858d61da9543d4231a71db4b1c9264b0685 --keep")
@click.argument("key_file", type=click.Path(path_type=Path), metavar="KEYFILE")
@click.argument("torrent", metavar="INFOHASH|MAGNET|FILE.torrent")
@click.option("--salt", default="", metavar="TEXT", help="Which of the key's feeds it is.")
@click.option("--keep", is_flag=True, help="Say it again every hour until Ctrl-C, so that it is not forgotten.")
@dht_options
@report_options
def publish(
    key_file: Path, torrent: str, salt: str, keep: bool, networking: Networking, run: Callable[..., None]
) -> None:
    """Name a torrent as your latest, and print the magnet link that always leads to the latest.

    `magnetite get` opens such a link, and with --follow goes on to each torrent you publish after. Make KEYFILE with
    `magnetite item key`.
    """
    run(partial(_publish, key_file, torrent, salt, keep, networking), serves=keep)


async def _publish(
    key_file: Path, torrent: str, salt_text: str, keep: bool, networking: Networking, report: Report
) -> None:
    info_hash = (await trio.to_thread.run_sync(parse_torrent, torrent)).info_hash
    salt = encode_salt(salt_text)
    key = await trio.to_thread.run_sync(read_key, key_file)
    link = FeedLink(key.public, salt)
    doing = "publishing"
    async with asking(networking, report, lambda: doing, stays=keep) as node:
        item = await newest_of(node, key.public, salt)
        if item is None or decode_feed(item) != info_hash:  # otherwise it is only to be kept
            item = sign_next(key, encode_feed(info_hash), salt, item)
        stored = await put(node, item, None, report)
        doing = "published"
        report.say(f"stored by {count(stored.accepted, 'node')}, sequence number {item.seq}")
        await report.result(
            str(link),
            "published",
            magnet=str(link),
            info_hash=str(info_hash),
            target=str(item.target),
            seq=item.seq,
            nodes=stored.accepted,
            refusals=stored.refusals,
        )
        if keep:
            doing = "keeping the link alive"
            await node.items.keep(item)
