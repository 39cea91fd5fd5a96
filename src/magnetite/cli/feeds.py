"""Links to what a publisher names last (BEP 46)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

import trio

from magnetite.cli.report import Report
from magnetite.dht.feed import decode_feed
from magnetite.dht.items import MutableItem, mutable_target
from magnetite.dht.node import DhtNode
from magnetite.download import Download
from magnetite.errors import MagnetiteError, Reason, RemoteProtocolError
from magnetite.ids import InfoHash
from magnetite.torrent.magnet import FeedLink, MagnetLink


async def resolve(node: DhtNode, link: FeedLink) -> InfoHash:
    """The torrent that the publisher names now. Raises MagnetiteError if nobody has the publisher's item."""
    item = await node.items.get(mutable_target(link.key, link.salt), link.salt)
    if item is None:
        raise MagnetiteError(f"nobody in the DHT has what {link} stands for; perhaps later", Reason.NOT_FOUND)
    info_hash = decode_feed(item)
    if info_hash is None:
        raise RemoteProtocolError(f"what {link} stands for is no torrent; its publisher uses the key for other things")
    return info_hash


async def follow(
    node: DhtNode,
    link: FeedLink,
    report: Report,
    begin: Callable[[MagnetLink], Awaitable[Download]],
    see_through: Callable[[Download], Awaitable[None]],
) -> NoReturn:
    """Download what the publisher names, and when another torrent is named, that one in its place; for ever.

    The publisher's item is kept alive meanwhile, as BEP 46, Consuming content, asks for.
    """
    item = await node.items.newer(link.key, link.salt)
    while True:
        info_hash = decode_feed(item)
        download = None
        if info_hash is None:
            report.say(f"sequence number {item.seq} names no torrent; waiting for the next")
        else:
            report.say(f"sequence number {item.seq}: {info_hash}")
            await report.record("followed", magnet=str(link), seq=item.seq, info_hash=str(info_hash))
            download = await begin(MagnetLink(info_hash, link.name))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.items.keep, item)
            if download is not None:
                nursery.start_soon(see_through, download)
            item = await _next_torrent(node, item, info_hash)
            nursery.cancel_scope.cancel()
        if download is not None:
            await download.remove()


async def _next_torrent(node: DhtNode, item: MutableItem, info_hash: InfoHash | None) -> MutableItem:
    """The next item that names another torrent."""
    while True:
        item = await node.items.newer(item.key, item.salt, item.seq)
        if decode_feed(item) not in (None, info_hash):
            return item
