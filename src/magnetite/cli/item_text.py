"""Items of the DHT as people name, write and read them. Pure."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Final

from magnetite import bencoding
from magnetite.bencoding import Value
from magnetite.cli.text import count, printable
from magnetite.dht.items import MAX_SALT, MAX_VALUE, Item, MutableItem, is_bencoded, mutable_target
from magnetite.errors import LocalProtocolError
from magnetite.ids import NodeId
from magnetite.torrent.magnet import parse_feed_link

_TARGET: Final = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_KEY: Final = re.compile(r"([0-9a-f]{64})(?::(.*))?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ItemName:
    """Where an item is, and the salt that belongs to it."""

    target: NodeId
    salt: bytes = b""


def parse_item_name(text: str) -> ItemName:
    """A target (40 hexadecimal digits), a public key (64) and perhaps `:SALT`, or a link of BEP 46.

    Raises LocalProtocolError or InvalidMagnet.
    """
    if _TARGET.fullmatch(text):
        return ItemName(NodeId(int(text, 16)))
    if match := _KEY.fullmatch(text):
        salt = encode_salt(match[2] or "")
        return ItemName(mutable_target(bytes.fromhex(match[1]), salt), salt)
    if link := parse_feed_link(text):
        return ItemName(mutable_target(link.key, link.salt), link.salt)
    raise LocalProtocolError(
        f"{text[:60]!r} is no item: it takes a target of 40 hexadecimal digits, a public key of 64 and perhaps :SALT, "
        "or magnet:?xs=urn:btpk:…"
    )


def encode_salt(text: str) -> bytes:
    """A salt as it was typed. Raises LocalProtocolError for one that is too long."""
    salt = os.fsencode(text)
    if len(salt) > MAX_SALT:
        raise LocalProtocolError(f"a salt is at most {MAX_SALT} bytes, not {len(salt)}")
    return salt


def encode_value(data: bytes, *, is_encoded: bool) -> bytes:
    """What to store: `data` as a string, or as the bencoded value that it is. Raises LocalProtocolError."""
    value = data if is_encoded else bencoding.encode(data)
    if len(value) > MAX_VALUE:
        raise LocalProtocolError(f"the value takes {count(len(value), 'byte')} bencoded; nodes take {MAX_VALUE:,}")
    if not is_bencoded(value):
        raise LocalProtocolError("with --bencoded the value is one bencoded value, its keys sorted, and nothing else")
    return value


def describe_value(item: Item) -> str:
    """The value for people: text as it is, as far as a terminal bears it, anything else as JSON."""
    value = readable(bencoding.decode(item.value, bencoding.DATAGRAM))
    if isinstance(value, str):
        return "\n".join("\t".join(map(printable, line.split("\t"))) for line in value.split("\n"))
    return json.dumps(value, ensure_ascii=True)


def fields(item: Item) -> dict[str, object]:
    """An item for scripts; `value` to be read, `bencoded` to the byte."""
    known: dict[str, object] = {
        "target": str(item.target),
        "value": readable(bencoding.decode(item.value, bencoding.DATAGRAM)),
        "bencoded": item.value.hex(),
    }
    if isinstance(item, MutableItem):
        known |= {
            "key": item.key.hex(),
            "salt": item.salt.hex(),
            "seq": item.seq,
            "signature": item.signature.hex(),
        }
    return known


def readable(value: Value) -> object:
    """A bencoded value as JSON knows values: bytes that are no text become `0x…`."""
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return "0x" + value.hex()
        case list():
            return [readable(each) for each in value]
        case dict():
            return {str(readable(key)): readable(each) for key, each in value.items()}
    return value
