"""What a node remembers between two runs: its ids, and contacts to begin with. Pure: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from magnetite import bencoding
from magnetite.bencoding import Value
from magnetite.dht.contact import Contact, Family, decode_contacts, family_of
from magnetite.errors import RemoteProtocolError, StorageError
from magnetite.ids import NodeId

VERSION: Final = 2
MAX_CONTACTS: Final = 1_000  # of each family


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`node_ids` by IP address, the latest last; `contacts` of both families, the best first."""

    node_ids: Mapping[str, NodeId] = field(default_factory=dict)
    contacts: tuple[Contact, ...] = ()


def encode_snapshot(node_ids: Mapping[str, NodeId], contacts: Iterable[Contact]) -> bytes:
    """A bencoded dictionary: `version`, `ids` as pairs of address and id, compact node info in `nodes` and `nodes6`."""
    packed = {Family.IPV4: bytearray(), Family.IPV6: bytearray()}
    for contact in contacts:
        packed[family_of(contact.endpoint)] += contact.compact()
    nodes, nodes6 = (bytes(packed[family][: MAX_CONTACTS * family.contact_length]) for family in Family)
    ids = [(ip, bytes(node_id)) for ip, node_id in node_ids.items()]
    return bencoding.encode({b"ids": ids, b"nodes": nodes, b"nodes6": nodes6, b"version": VERSION})


def decode_snapshot(data: bytes) -> Snapshot:
    """Raises StorageError if `data` is damaged, or of another version."""
    try:
        match bencoding.decode(data, bencoding.DATAGRAM):
            case {b"version": 2, b"ids": list(ids), b"nodes": bytes(nodes), b"nodes6": bytes(nodes6)}:
                contacts = decode_contacts(nodes, Family.IPV4) + decode_contacts(nodes6, Family.IPV6)
                return Snapshot(dict(map(_identity, ids)), contacts)
    except (RemoteProtocolError, ValueError) as error:
        raise StorageError(f"the saved DHT state is damaged: {error}") from None
    raise StorageError("the saved DHT state is damaged, or of another version of magnetite")


def _identity(pair: Value) -> tuple[str, NodeId]:
    match pair:
        case [bytes(ip), bytes(node_id)]:
            return ip.decode("ascii"), NodeId.decode(node_id)
    raise ValueError("an id is no pair of address and id")
