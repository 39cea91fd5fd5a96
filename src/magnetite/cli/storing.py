"""Putting an item into the DHT, and saying how that went."""

from __future__ import annotations

from typing import Final

from magnetite.cli.key_file import Key
from magnetite.cli.report import Report
from magnetite.cli.text import count
from magnetite.dht.items import Item, MutableItem, mutable_target, sign
from magnetite.dht.messages import ErrorCode
from magnetite.dht.node import DhtNode
from magnetite.dht.stored import Stored
from magnetite.errors import MagnetiteError, Reason

_MEANINGS: Final[dict[int, str]] = {
    ErrorCode.SERVER: "no room",
    ErrorCode.UNKNOWN_METHOD: "they store no items",
    ErrorCode.VALUE_TOO_BIG: "the value is too big for them",
    ErrorCode.INVALID_SIGNATURE: "they find the signature wrong",
    ErrorCode.SALT_TOO_BIG: "the salt is too big for them",
    ErrorCode.CAS_MISMATCH: "what they have is not of the sequence number that --cas names",
    ErrorCode.SEQ_TOO_LOW: "they have a newer item, or another of the same sequence number",
}


async def newest_of(node: DhtNode, key: bytes, salt: bytes) -> MutableItem | None:
    """The item of a public key as it is now."""
    item = await node.items.get(mutable_target(key, salt), salt)
    return item if isinstance(item, MutableItem) else None


def sign_next(key: Key, value: bytes, salt: bytes, newest: MutableItem | None) -> MutableItem:
    """The item that takes the place of the newest."""
    return sign(key.private, value, 1 if newest is None else newest.seq + 1, salt)


async def put(node: DhtNode, item: Item, cas: int | None, report: Report) -> Stored:
    """Put an item; refusals are told. Raises MagnetiteError if it is not there now."""
    stored = await node.items.put(item, cas)
    refused = "; ".join(_refusal(code, nodes) for code, nodes in sorted(stored.refusals.items()))
    if stored.is_conflict:
        message = f"somebody else has written meanwhile: {refused}; get the item, and put yours again"
        raise MagnetiteError(message, Reason.CONFLICT)
    if not stored.accepted:
        raise MagnetiteError(f"no node took the item: {refused or 'none answered'}")
    if refused:
        report.say(refused)
    return stored


def _refusal(code: int, nodes: int) -> str:
    return f"{count(nodes, 'node')} refused: {_MEANINGS.get(code, 'they say no more than the code')} ({code})"
