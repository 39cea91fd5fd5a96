"""What peers tell each other of their other peers (BEP 11, ut_pex). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntFlag
from typing import Final

from msgspec import Struct, field

from magnetite import bencoding
from magnetite.bencoding import EXTENSION, Encodable, Value
from magnetite.endpoint import COMPACT4, COMPACT6, Endpoint, decode_endpoint

UT_PEX: Final = "ut_pex"  # in `m` of the extension handshake (BEP 10)
MOST_CONTACTS: Final = 50  # added in one message, and as many dropped (BEP 11)
MOST_READ: Final = 100  # of one list, for the first message may have more than 50; the rest is not looked at


class PexFlag(IntFlag):
    """What is said of a contact; unknown bits are kept."""

    ENCRYPTION = 0x01  # it prefers encryption
    SEED = 0x02  # it wants nothing more (BEP 21)
    UTP = 0x04
    HOLEPUNCH = 0x08
    REACHABLE = 0x10  # whoever says so has dialled it


class PexMessage(Struct, frozen=True):
    """Whom the sender is connected with since its last message, and with whom no longer. No endpoint is in both."""

    added: Mapping[Endpoint, PexFlag] = field(default_factory=dict)
    dropped: tuple[Endpoint, ...] = ()


def encode_pex(message: PexMessage) -> bytes:
    """The payload of an Extended message with the id that the receiver gave `ut_pex`."""
    said: dict[str, Encodable] = {}
    for suffix, is_ipv6 in (("", False), ("6", True)):
        added = {contact: flags for contact, flags in message.added.items() if contact.is_ipv6 is is_ipv6}
        dropped = [contact for contact in message.dropped if contact.is_ipv6 is is_ipv6]
        if added:
            said["added" + suffix] = _compact(added)
            said[f"added{suffix}.f"] = bytes(added.values())
        if dropped:
            said["dropped" + suffix] = _compact(dropped)
    return bencoding.encode(said or {"added": b""})  # "must contain at least one of the following fields" (BEP 11)


def decode_pex(payload: bytes) -> PexMessage:
    """The message in such a payload.

    Every list is optional, and one that is no list of contacts counts as absent, as do flags that are not as many. Of
    each list at most MOST_READ contacts are read. Raises RemoteProtocolError if the payload is no bencoded dictionary.
    """
    said, _ = bencoding.decode_dict(payload, EXTENSION)
    added: dict[Endpoint, PexFlag] = {}
    dropped: dict[Endpoint, None] = {}
    for suffix, width in ((b"", COMPACT4), (b"6", COMPACT6)):
        contacts = _contacts(said.get(b"added" + suffix), width)
        flags = said.get(b"added" + suffix + b".f")
        if not isinstance(flags, bytes) or len(flags) < len(contacts):
            flags = bytes(len(contacts))
        for contact, flag in zip(contacts, flags, strict=False):
            added.setdefault(contact, PexFlag(flag))
        dropped.update(dict.fromkeys(_contacts(said.get(b"dropped" + suffix), width)))
    return PexMessage(added, tuple(contact for contact in dropped if contact not in added))


def _compact(contacts: Iterable[Endpoint]) -> bytes:
    return b"".join(contact.compact() for contact in contacts)


def _contacts(value: Value | None, width: int) -> list[Endpoint]:
    if not isinstance(value, bytes) or len(value) % width:
        return []
    end = min(len(value), MOST_READ * width)
    return [decode_endpoint(value[at : at + width]) for at in range(0, end, width)]
