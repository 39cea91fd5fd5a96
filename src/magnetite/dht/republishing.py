"""When an item is put again, so that the nodes that store it do not forget it (BEP 44, Expiration). Pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Final

from magnetite.dht.contact import K
from magnetite.dht.item_store import EXPIRY
from magnetite.ids import NodeId

REPUBLISH_INTERVAL: Final = 55 * 60.0  # seconds at most; "once an hour", and two of them are less than an item lasts
SHORTEST_INTERVAL: Final = 45 * 60.0  # seconds; the difference keeps many publishers from falling into step


def first_delay(rng: random.Random) -> float:
    """Seconds until the first look at an item; those of one node spread over the hour."""
    return rng.uniform(0, REPUBLISH_INTERVAL)


def next_delay(rng: random.Random) -> float:
    """Seconds between two looks."""
    return rng.uniform(SHORTEST_INTERVAL, REPUBLISH_INTERVAL)


def needs_republishing(holders: Collection[NodeId], closest: Sequence[NodeId], since_put: float) -> bool:
    """Whether an item is to be put again. `closest` are the nodes it would be put to, `holders` those that have it.

    Not where all of the closest have it, and others have besides: then somebody else puts it, too. But the copies seen
    may be those of our own last put, `since_put` seconds ago: before they could expire it is always put.
    """
    if since_put + REPUBLISH_INTERVAL >= EXPIRY:
        return True
    return len(holders) <= max(K, len(closest)) or not set(closest) <= set(holders)
