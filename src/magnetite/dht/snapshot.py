"""What a node remembers between two runs: its id, and contacts to begin with. Pure: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from magnetite import bencoding
from magnetite.dht.contact import Contact, Family, decode_contacts, family_of
from magnetite.errors import RemoteProtocolError, StorageError
from magnetite.ids import NodeId

VERSION: Final = 1
MAX_CONTACTS: Final = 1_000  # of each family


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`contacts` of both families, the best first."""

    node_id: NodeId
    contacts: tuple[Contact, ...]


def encode_snapshot(node_id: NodeId, contacts: Iterable[Contact]) -> bytes:
    """A bencoded dictionary: `version`, `id`, and compact node info in `nodes` and `nodes6`."""
    packed = {Family.IPV4: bytearray(), Family.IPV6: bytearray()}
    for contact in contacts:
        packed[family_of(contact.endpoint)] += contact.compact()
    nodes, nodes6 = (bytes(packed[family][: MAX_CONTACTS * family.contact_length]) for family in Family)
    return bencoding.encode({b"id": bytes(node_id), b"nodes": nodes, b"nodes6": nodes6, b"version": VERSION})


def decode_snapshot(data: bytes) -> Snapshot:
    """Raises StorageError if `data` is damaged, or of a version from the future."""
    try:
        match bencoding.decode(data, bencoding.DATAGRAM):
            case {b"version": 1, b"id": bytes(node_id), b"nodes": bytes(nodes), b"nodes6": bytes(nodes6)}:
                contacts = decode_contacts(nodes, Family.IPV4) + decode_contacts(nodes6, Family.IPV6)
                return Snapshot(NodeId.decode(node_id), contacts)
    except (RemoteProtocolError, ValueError) as error:
        raise StorageError(f"the saved DHT state is damaged: {error}") from None
    raise StorageError("the saved DHT state is damaged, or of another version of magnetite")
