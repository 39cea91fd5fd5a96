"""What a caller of the control API asks for: JSON objects turned into values. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_address
from typing import TypeAlias, TypeVar

from magnetite.dht.items import ImmutableItem, Item, MutableItem, is_valid
from magnetite.endpoint import Endpoint, split_host_port
from magnetite.errors import LocalProtocolError
from magnetite.ids import InfoHash, NodeId

Fields: TypeAlias = Mapping[str, object]
T = TypeVar("T")


def parse_fields(body: bytes, allowed: Collection[str]) -> Fields:
    """The JSON object in `body`. Raises LocalProtocolError if it is none, or has fields that nobody reads."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise LocalProtocolError("the body of the request is no JSON") from None
    if not isinstance(fields, dict):
        raise LocalProtocolError("the body of the request is no JSON object")
    if unknown := sorted(fields.keys() - set(allowed)):
        raise LocalProtocolError(f"{unknown[0][:40]!r} is not known here; there are: {', '.join(sorted(allowed))}")
    return fields


def endpoint_in(fields: Fields) -> Endpoint:
    """`endpoint`, as `1.2.3.4:6881`. All of these raise LocalProtocolError for what is missing or wrong."""
    text = _text(fields, "endpoint")

    def parse(text: str) -> Endpoint:
        host, port = split_host_port(text)
        return Endpoint(str(ip_address(host)), port)

    return _parsed(parse, text, "'endpoint' is an IP address and a port, such as 192.0.2.7:6881")


def info_hash_in(fields: Fields) -> InfoHash:
    return InfoHash.decode(_hexadecimal(fields, "info_hash", 20))


def target_in(fields: Fields) -> NodeId:
    return NodeId.decode(_hexadecimal(fields, "target", 20))


def port_in(fields: Fields) -> int:
    return _number(fields, "port", 1, 65535)


def salt_in(fields: Fields) -> bytes:
    return _hexadecimal(fields, "salt") if "salt" in fields else b""


def cas_in(fields: Fields) -> int | None:
    return _number(fields, "cas", 0, 2**63 - 1) if "cas" in fields else None


def item_in(fields: Fields) -> Item:
    """An item ready to be stored: with a `key` it is mutable, and signed by whoever has the private one."""
    value = _hexadecimal(fields, "value")
    item: Item
    if "key" in fields:
        key, signature = _hexadecimal(fields, "key", 32), _hexadecimal(fields, "signature", 64)
        item = MutableItem(value, key, _number(fields, "seq", 0, 2**63 - 1), signature, salt_in(fields))
    elif mutable := fields.keys() & {"signature", "seq", "salt", "cas"}:
        raise LocalProtocolError(f"{min(mutable)!r} makes sense only with a 'key'")
    else:
        item = ImmutableItem(value)
    if not is_valid(item):
        raise LocalProtocolError("no node would store this: the value is not bencoded, too large, or wrongly signed")
    return item


def _text(fields: Fields, name: str) -> str:
    match fields.get(name):
        case str() as text:
            return text
        case None:
            raise LocalProtocolError(f"{name!r} is missing")
    raise LocalProtocolError(f"{name!r} is a string")


def _number(fields: Fields, name: str, lowest: int, highest: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not lowest <= value <= highest:  # not isinstance: True is no number here
        raise LocalProtocolError(f"{name!r} is a number from {lowest} to {highest}")
    return value


def _hexadecimal(fields: Fields, name: str, length: int | None = None) -> bytes:
    data = _parsed(bytes.fromhex, _text(fields, name), f"{name!r} is hexadecimal")
    if length is not None and len(data) != length:
        raise LocalProtocolError(f"{name!r} is {2 * length} hexadecimal digits")
    return data


def _parsed(parse: Callable[[str], T], text: str, meaning: str) -> T:
    try:
        return parse(text)
    except ValueError:
        raise LocalProtocolError(f"{meaning}, not {text[:60]!r}") from None
