"""Which contacts to ask next so that the routing table stays true, and for what. Pure.

One question does three things: it shows that the contact lives, it refreshes a part of the table by the contacts the
answer names, and it makes us known to the contact.
"""

from __future__ import annotations

import random
from math import inf
from operator import itemgetter
from typing import Final

from magnetite.dht.contact import Contact
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.dht.routing_table import LARGE_BUCKETS, RoutingTable
from magnetite.ids import NodeId

ASK_AGAIN: Final = 0.6  # of the time a contact is trusted for; leaves time for a second try before it is questionable
NEAR_BIAS: Final = 0.5  # of that, for the neighbourhood: those are the contacts only we can tell others of
GROW: Final = 60.0  # seconds, instead, while the table is new and the large buckets have room
NEW_FOR: Final = 10 * 60.0  # seconds; who has met few by then is in a small DHT
RETRY: Final = 15.0  # seconds after a failure; and the time an unverified contact may take to answer
_BITS: Final = 160


def next_to_ask(table: RoutingTable, now: float, most: int) -> list[Contact]:
    """The contacts most overdue for a question, up to `most`; who is asked them is not due again for a while.

    Unverified contacts are due at once: they are of no use to anybody until they have answered.
    """
    if now < table.quiet_until:
        return []
    neighbourhood = table.neighbourhood
    grows = now - table.filled_at < NEW_FOR and any(table.has_room_in(number) for number in range(len(LARGE_BUCKETS)))
    overdue: list[tuple[float, RoutingEntry]] = []
    quiet_until = inf
    for entry in table:
        if entry.failures or not entry.is_verified:
            due = entry.last_asked + RETRY
        elif grows:
            due = entry.last_asked + GROW
        else:
            # Whoever asked or answered anything lately lives: a lookup's query or its own saves ours.
            patience = ASK_AGAIN * entry.trusted_for
            if table.bucket_number(entry.contact.node_id) >= neighbourhood:
                patience *= NEAR_BIAS
            due = max(entry.last_asked, entry.last_heard) + patience
        if due <= now:
            overdue.append((due, entry))
        elif due < quiet_until:
            quiet_until = due
    if len(overdue) <= most:
        table.quiet_until = min(quiet_until, now + RETRY) if overdue else quiet_until
    return [entry.contact for _, entry in sorted(overdue, key=itemgetter(0))[:most]]


def refresh_target(table: RoutingTable, contact: Contact, rng: random.Random) -> NodeId:
    """What to ask `contact` for: an id out of its own bucket, or, half of the time, out of our neighbourhood."""
    is_near = rng.random() < 0.5
    return _random_id(table, table.neighbourhood if is_near else table.bucket_number(contact.node_id), rng)


def refresh_targets(table: RoutingTable, rng: random.Random) -> list[NodeId]:
    """What to look up after joining: ourselves, and then an id out of each large bucket."""
    return [table.own_id] + [_random_id(table, number, rng) for number in range(len(LARGE_BUCKETS))]


def _random_id(table: RoutingTable, number: int, rng: random.Random) -> NodeId:
    """An id that belongs into bucket `number`: it shares that many bits with our own, and not the next one."""
    free = _BITS - number - 1
    return NodeId(table.own_id ^ (1 << free | rng.getrandbits(free)))
