"""Which contacts to ask next so that the routing table stays true, and for what. Pure.

One question does three things: it shows that the contact lives, it refreshes a part of the table by the contacts the
answer names, and it makes us known to the contact.
"""

from __future__ import annotations

import random
from math import inf
from operator import itemgetter
from typing import Final

from magnetite.dht.contact import Contact, K
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.dht.routing_table import LARGE_BUCKETS, RoutingTable
from magnetite.ids import NodeId

ASK_AGAIN: Final = 0.6  # of the time a contact is trusted for; leaves time for a second try before it is questionable
NEAR_BIAS: Final = 0.5  # of that, for the neighbourhood: those are the contacts only we can tell others of
GROW: Final = 60.0  # seconds, instead, while the table is new and the large buckets have room
NEW_FOR: Final = 10 * 60.0  # seconds; who has met few by then is in a small DHT
RETRY: Final = 15.0  # seconds after a failure; and the time an unverified contact may take to answer
HASTE: Final = 8  # questions a round, which is two seconds, until there are ENOUGH contacts
LEISURE: Final = 2  # the same after that, and twice as many where some are silent
ENOUGH: Final = 32  # good contacts; as many as a lookup begins with
FAR_TURNS: Final = range(3, 7)  # within some minutes: lookups elsewhere tell a node how large the network is
_BITS: Final = 160


def next_to_ask(table: RoutingTable, now: float) -> list[Contact]:
    """The contacts to be asked a question now; who is asked one is not due again for a while.

    The neighbourhood comes first, for those are the contacts only we can tell others of; then whoever is most overdue.
    Unverified contacts are due at once, for they are of no use to anybody until they have answered; those of buckets
    with few good ones first.
    """
    if now < table.quiet_until:
        return []
    neighbourhood = table.neighbourhood
    grows = now - table.filled_at < NEW_FOR and any(table.has_room_in(number) for number in range(len(LARGE_BUCKETS)))
    overdue: list[tuple[bool, float, int, RoutingEntry]] = []
    quiet_until = inf
    good = silent = 0
    for number, bucket in table.buckets.items():
        is_far = number < neighbourhood
        good_here = 0
        due_here: list[tuple[float, RoutingEntry]] = []
        for entry in bucket.entries.values():
            if entry.failures or not entry.is_verified:
                due = entry.last_asked + RETRY
                silent += due > now
            else:
                good_here += entry.is_good(now)
                if grows:
                    due = entry.last_asked + GROW
                else:
                    # Whoever asked or answered anything lately lives: a lookup's query or its own saves ours.
                    patience = ASK_AGAIN * entry.trusted_for * (1 if is_far else NEAR_BIAS)
                    due = max(entry.last_asked, entry.last_heard) + patience
            if due <= now:
                due_here.append((due, entry))
            elif due < quiet_until:
                quiet_until = due
        good += good_here
        overdue += [(is_far, due, good_here, entry) for due, entry in due_here]
    most = HASTE if good < ENOUGH else LEISURE * (1 + (silent > 0))
    if len(overdue) <= most:
        table.quiet_until = min(quiet_until, now + RETRY) if overdue else quiet_until
    return [entry.contact for *_, entry in sorted(overdue, key=itemgetter(0, 1, 2))[:most]]


def refresh_target(table: RoutingTable, contact: Contact, rng: random.Random) -> NodeId:
    """What to ask `contact` for: half of the time an id in our neighbourhood, on either side of our own, else one out
    of the emptiest bucket whose range `contact` knows as well as we do: its own, and those farther from us."""
    if rng.random() < 0.5:
        return NodeId(table.own_id ^ rng.getrandbits(_BITS - table.neighbourhood))
    known = range(min(table.bucket_number(contact.node_id), table.neighbourhood), -1, -1)
    return _random_id(table, min(known, key=table.fullness), rng)


def refresh_targets(table: RoutingTable, turn: int, now: float, rng: random.Random) -> list[NodeId]:
    """What to look up the `turn`-th time since joining: ourselves, and in FAR_TURNS also an id out of the bucket beyond
    our neighbourhood of which we know least; later, too, where that is fewer than K."""
    targets = [table.own_id]
    if turn >= FAR_TURNS.start:
        good = [table.good_in(number, now) for number in range(max(table.neighbourhood, 1))]
        fewest = min(good)
        if turn in FAR_TURNS or fewest < K:
            targets.append(_random_id(table, good.index(fewest), rng))
    return targets


def _random_id(table: RoutingTable, number: int, rng: random.Random) -> NodeId:
    """An id that belongs into bucket `number`: it shares that many bits with our own, and not the next one."""
    free = _BITS - number - 1
    return NodeId(table.own_id ^ (1 << free | rng.getrandbits(free)))
