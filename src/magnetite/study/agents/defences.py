"""What protects our node's searches from others, each as what it would be without: for `altered`."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final

from msgspec.structs import replace

from magnetite.dht.contact import Contact
from magnetite.dht.lookup import Lookup
from magnetite.dht.messages import Response
from magnetite.dht.security import is_valid_id
from magnetite.endpoint import Endpoint
from magnetite.study.agents.searching import Values

_on_reply: Final = Lookup.on_reply
_is_acceptable: Final = Lookup._is_acceptable


def _believing(lookup: Lookup, contact: Contact, reply: Response, now: float) -> list[Endpoint]:
    return _on_reply(lookup, contact, replace(reply, sender=contact.node_id), now)


def _keeping_to_bep_42(lookup: Lookup, contact: Contact, now: float) -> bool:
    return is_valid_id(contact.node_id, contact.endpoint.ip) and _is_acceptable(lookup, contact, now)


WITHOUT: Final[Mapping[str, Values]] = {
    "verified answers": {"dht.lookup.Lookup.on_reply": _believing},
    "bans": {"dht.identities.CHANGES": 1 << 30},
    "subnets": {"dht.candidates._SUBNET_WEIGHT": 1 << 30},
    "widening": {"dht.network_size.CROWDED": 0.0, "dht.network_size.SPARSE": inf},
}
"""Who answers under another id than it was named by is not believed; who changes its id is banned; of a /24 two nodes
count; where the nearest are too near to be so by chance, those beyond are asked as well."""

ENFORCED: Final[Values] = {"dht.lookup.Lookup._is_acceptable": _keeping_to_bep_42}
"""Nobody is asked whose id does not belong to its address (BEP 42). Ours does ask: too many honest ones have others."""


def without(*kept: str) -> Values:
    """All defences off but those `kept`."""
    return {path: value for name, off in WITHOUT.items() if name not in kept for path, value in off.items()}
