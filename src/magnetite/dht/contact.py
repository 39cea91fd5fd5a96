"""A node of the DHT as others name it, and its compact form. Pure."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from magnetite.endpoint import COMPACT4, COMPACT6, Endpoint, decode_endpoint
from magnetite.errors import RemoteProtocolError
from magnetite.ids import ID_LENGTH, NodeId

K: Final = 8  # contacts in an answer, and nodes that keep a value (BEP 5, Routing Table)


class Family(Enum):
    """There are two DHTs, one for each kind of address (BEP 32). The values are the strings of `want`."""

    IPV4 = b"n4"
    IPV6 = b"n6"

    # Enum hashes by name, in Python; these are keys of hot dictionaries, and singletons
    __hash__ = object.__hash__

    @property
    def contact_length(self) -> int:
        """Bytes of one contact in compact node info: 26, or 38 for IPv6."""
        return ID_LENGTH + (COMPACT4 if self is Family.IPV4 else COMPACT6)


def family_of(endpoint: Endpoint) -> Family:
    return Family.IPV6 if ":" in endpoint[0] else Family.IPV4


class Contact(NamedTuple):
    """A node's id and where it is reached."""

    node_id: NodeId
    endpoint: Endpoint

    def compact(self) -> bytes:
        """Compact node info: 26 bytes (BEP 5, Contact Encoding), or 38 for IPv6 (BEP 32, nodes6)."""
        return bytes(self.node_id) + self.endpoint.compact()


def decode_contacts(data: bytes, family: Family) -> tuple[Contact, ...]:
    """Contacts from compact node info: n x (id, address, port), 26 or 38 bytes each, big-endian.

    Raises RemoteProtocolError if the length is not a multiple of that.
    """
    step = family.contact_length
    if len(data) % step:
        raise RemoteProtocolError(f"compact node info of {len(data)} bytes")
    return tuple([_decode_contact(data[at : at + step]) for at in range(0, len(data), step)])


@lru_cache(maxsize=16_384)  # some 7 MB; in a lookup, and in a network of that size, the same nodes are named again
def _decode_contact(data: bytes) -> Contact:
    return Contact(NodeId.from_bytes(data[:ID_LENGTH], "big"), decode_endpoint(data[ID_LENGTH:]))
