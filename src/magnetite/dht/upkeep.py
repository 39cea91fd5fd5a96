"""Which contact to ask next so that the routing table stays true, and for what. Pure.

One question does three things: it shows that the contact lives, it refreshes a part of the table by the contacts the
answer names, and it makes us known to the contact.
"""

from __future__ import annotations

import random
from typing import Final

from magnetite.dht.contact import Contact, K
from magnetite.dht.routing_entry import QUESTIONABLE_AFTER, RoutingEntry
from magnetite.dht.routing_table import LARGE_BUCKETS, RoutingTable
from magnetite.ids import NodeId

ASK_AGAIN: Final = 0.6 * QUESTIONABLE_AFTER  # seconds; leaves time for a second try before a contact is questionable
NEAR_BIAS: Final = 0.5  # of ASK_AGAIN, for the neighbourhood: those are the contacts only we can tell others of
GROW: Final = 60.0  # seconds, instead, while the large buckets have room
RETRY: Final = 15.0  # seconds after a failure; and the time an unverified contact may take to answer
_BITS: Final = 160


def next_to_ask(table: RoutingTable, now: float) -> Contact | None:
    """The contact most overdue for a question; None if none is due.

    Unverified contacts come first: they are of no use to anybody until they have answered.
    """
    neighbourhood = _neighbourhood(table)
    grows = any(table.has_room_in(number) for number in range(len(LARGE_BUCKETS)))
    overdue, contact = 0.0, None
    for entry in table:
        is_near = table.bucket_number(entry.contact.node_id) >= neighbourhood
        late = now - entry.last_asked - _patience(entry, grows, is_near)
        if late >= overdue:
            overdue, contact = late, entry.contact
    return contact


def refresh_target(table: RoutingTable, contact: Contact, rng: random.Random) -> NodeId:
    """What to ask `contact` for: an id out of its own bucket, or, half of the time, out of our neighbourhood."""
    is_near = rng.random() < 0.5
    return _random_id(table, _neighbourhood(table) if is_near else table.bucket_number(contact.node_id), rng)


def refresh_targets(table: RoutingTable, rng: random.Random) -> list[NodeId]:
    """What to look up after joining: ourselves, and then an id out of each large bucket."""
    return [table.own_id] + [_random_id(table, number, rng) for number in range(len(LARGE_BUCKETS))]


def _patience(entry: RoutingEntry, grows: bool, is_near: bool) -> float:
    """Seconds after which `entry` should be asked again."""
    if not entry.is_verified or entry.failures:
        return RETRY
    if grows:
        return GROW
    return ASK_AGAIN * NEAR_BIAS if is_near else ASK_AGAIN


def _neighbourhood(table: RoutingTable) -> int:
    """The common prefix length from which on there are no more than K contacts."""
    numbers = sorted((table.bucket_number(entry.contact.node_id) for entry in table), reverse=True)
    return numbers[K - 1] if len(numbers) >= K else 0


def _random_id(table: RoutingTable, number: int, rng: random.Random) -> NodeId:
    """An id that belongs into bucket `number`: it shares that many bits with our own, and not the next one."""
    free = _BITS - number - 1
    return NodeId(table.own_id ^ (1 << free | rng.getrandbits(free)))
