"""`magnetite item`: small values that the DHT itself stores (BEP 44)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import trio

from magnetite.cli.asking import asking
from magnetite.cli.item_text import ItemName, describe_value, encode_salt, encode_value, fields, parse_item_name
from magnetite.cli.key_file import Key, create_key, read_key
from magnetite.cli.networking import Networking
from magnetite.cli.options import dht_options, report_options
from magnetite.cli.report import Report
from magnetite.cli.storing import newest_of, put, sign_next
from magnetite.cli.text import count
from magnetite.cli.torrent_argument import read_bytes
from magnetite.dht.items import MAX_SEQ, ImmutableItem, Item, MutableItem, sign
from magnetite.dht.node import DhtNode
from magnetite.errors import MagnetiteError, Reason

AT_ONCE = 4  # gets
LARGEST = 1 << 16  # bytes of a file; what nodes take is far below

_keep = click.option("--keep", is_flag=True, help="Put it again every hour until Ctrl-C, so that it is not forgotten.")


@dataclass(frozen=True, slots=True)
class Order:
    """What to put. Without `key` it is immutable, and the rest means nothing."""

    value: bytes
    key: Path | None
    salt: bytes
    seq: int | None  # None: the next
    cas: int | None
    keep: bool


@click.group(epilog="Example:  magnetite item get e5f96f6f38320f0f33959cb4d3d656452117aadb")
def item() -> None:
    """Store values of up to 1,000 bytes in the DHT, and get them back.

    An immutable item is named by the hash of its value. A mutable one is named by a public key, and perhaps a salt;
    whoever has the private key may replace it.
    """


@item.command("get", epilog="Example:  magnetite item get e5f96f6f38320f0f33959cb4d3d656452117aadb")
@click.argument("names", nargs=-1, required=True, metavar="TARGET|PUBLICKEY[:SALT]...")
@_keep
@dht_options
@report_options
def get_items(names: Sequence[str], keep: bool, networking: Networking, run: Callable[..., None]) -> None:
    """Print the values of items: of those named by a key the newest."""
    run(partial(_get, names, keep, networking), serves=keep)


@item.command("put", epilog="Example:  magnetite item put --key my.pem --salt news 'Hello World!'")
@click.argument("text", required=False)
@click.option("--file", "source", metavar="FILE|-", help="Store what is in a file or comes by standard input.")
@click.option("--bencoded", is_flag=True, help="The value is bencoded already; otherwise it is stored as a string.")
@click.option("--key", type=click.Path(path_type=Path), metavar="KEYFILE", help="Make it mutable, signed by this key.")
@click.option("--salt", default="", metavar="TEXT", help="Which of the key's items it is.")
@click.option("--seq", default="next", show_default=True, metavar="N|next", help="Sequence number of the new value.")
@click.option("--cas", type=click.IntRange(0, MAX_SEQ), metavar="N", help="Only replace the item of this number.")
@_keep
@dht_options
@report_options
def put_item(
    text: str | None,
    source: str | None,
    bencoded: bool,
    key: Path | None,
    salt: str,
    seq: str,
    cas: int | None,
    keep: bool,
    networking: Networking,
    run: Callable[..., None],
) -> None:
    """Store a value, and print what it is named by: its target, or PUBLICKEY[:SALT]."""
    if (text is None) == (source is None):
        raise click.UsageError("name what to store, as an argument or with --file: one of the two")
    if key is None and (salt or cas is not None or seq != "next"):
        raise click.UsageError("--salt, --seq and --cas are for mutable items: name a key with --key")
    number = _parse_seq(seq)

    async def verb(report: Report) -> None:
        if source is None:
            data = os.fsencode(text or "")
        else:
            data = await trio.to_thread.run_sync(read_bytes, source, LARGEST, abandon_on_cancel=True)
        value = encode_value(data, is_encoded=bencoded)
        await _put(Order(value, key, encode_salt(salt), number, cas, keep), networking, report)

    run(verb, serves=keep)


@item.command("key", epilog="Example:  magnetite item key my.pem")
@click.argument("path", type=click.Path(path_type=Path), metavar="KEYFILE")
@click.option("--show", is_flag=True, help="Make none; print the public key of the one that is there.")
@report_options
def make_key(path: Path, show: bool, run: Callable[..., None]) -> None:
    """Make a private key to sign mutable items with, in a new file, and print its public key.

    Who has the file can write in your name; who loses it can never write in that name again.
    """

    async def verb(report: Report) -> None:
        key = await trio.to_thread.run_sync(read_key if show else create_key, path)
        await report.result(key.public.hex(), "key", key=key.public.hex(), path=str(path))

    run(verb)


async def _get(texts: Sequence[str], keep: bool, networking: Networking, report: Report) -> None:
    names = dict.fromkeys(map(parse_item_name, texts))
    done: list[Item | None] = []
    slots = trio.CapacityLimiter(AT_ONCE)

    async def one(node: DhtNode, name: ItemName) -> None:
        async with slots:
            found = await node.items.get(name.target, name.salt)
            done.append(found)
            await _report_found(found, name, report)
        if keep and found is not None:
            await node.items.keep(found)

    def words() -> str:
        kept = sum(each is not None for each in done)
        if keep and len(done) == len(names):
            return f"keeping {count(kept, 'item')} alive"
        return f"{len(done)} of {count(names, 'item')} looked for"

    async with asking(networking, report, words, stays=keep) as node, trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(one, node, name)
    if None in done:
        raise MagnetiteError(f"nobody in the DHT has {count(done.count(None), 'item')}, see above", Reason.NOT_FOUND)


async def _report_found(found: Item | None, name: ItemName, report: Report) -> None:
    if found is None:
        report.say(f"magnetite: {name.target}: nobody has it")
        await report.record("failed", where=str(name.target), reason="not_found", message="nobody has it")
        return
    if isinstance(found, MutableItem):
        report.say(f"{found.target}: signed by {found.key.hex()}, sequence number {found.seq}")
    await report.result(describe_value(found), "item", **fields(found))


async def _put(order: Order, networking: Networking, report: Report) -> None:
    key = None if order.key is None else await trio.to_thread.run_sync(read_key, order.key)
    doing = "storing"
    async with asking(networking, report, lambda: doing, stays=order.keep) as node:
        item = await _make(node, key, order)
        stored = await put(node, item, order.cas, report)
        doing = "stored"
        report.say(f"stored by {count(stored.accepted, 'node')}" + _seq_of(item))
        await report.result(_name_of(item), "stored", **fields(item), nodes=stored.accepted, refusals=stored.refusals)
        if order.keep:
            doing = "keeping the item alive"
            await node.items.keep(item)


async def _make(node: DhtNode, key: Key | None, order: Order) -> Item:
    if key is None:
        return ImmutableItem(order.value)
    if order.seq is not None:
        return sign(key.private, order.value, order.seq, order.salt)
    return sign_next(key, order.value, order.salt, await newest_of(node, key.public, order.salt))


def _name_of(item: Item) -> str:
    """What `item get` takes."""
    if isinstance(item, ImmutableItem):
        return str(item.target)
    return item.key.hex() + (":" + os.fsdecode(item.salt) if item.salt else "")


def _seq_of(item: Item) -> str:
    return f", sequence number {item.seq}" if isinstance(item, MutableItem) else ""


def _parse_seq(text: str) -> int | None:
    if text == "next":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_SEQ):
        raise click.BadParameter(f"{text!r} is neither a number from 0 to {MAX_SEQ} nor 'next'", param_hint="--seq")
    return int(text)
