"""How other clients search, as production's constants under other values: for `altered`.

Each turns one design choice of our node off; `PLAIN` turns off all, and is what `lookup_model.PLAIN` is in NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from magnetite.dht.candidates import State
from magnetite.dht.contact import Contact, K
from magnetite.dht.lookup import Lookup

Values: TypeAlias = Mapping[str, object]


def timeouts(seconds: float) -> Values:
    """The same time for everybody, after which others are asked and a silent node is given up."""
    return {
        "dht.round_trips.FIRST_STALL": seconds,
        "dht.round_trips.SHORTEST_STALL": seconds,
        "dht.round_trips.LONGEST_STALL": seconds,
        "dht.lookup.PATIENCE": 1,
        "dht.transactions.GIVE_UP": max(seconds, 12.0),
    }


NARROW: Final[Values] = {
    "dht.lookup.START": K,
    "dht.lookup.HURRY": 3,
    "dht.lookup.ALPHA": 3,
    "dht.lookup.SLOWNESS": 0.0,
}
"""Begins with the K closest, asks three at a time, and does not prefer the fast."""

SMALL_BUCKETS: Final[Values] = {"dht.routing_table.LARGE_BUCKETS": (), "dht.upkeep.LARGE_BUCKETS": ()}
"""K contacts in every bucket."""

FORGETFUL: Final[Values] = {
    "dht.lookup_cache.LIFETIME": -1.0,
    "dht.unreachable.MEMORY": 0.0,
    "dht.unreachable.SUSPICION": 0.0,
}
"""Learns nothing from one lookup for the next: neither who answered nor who was silent."""

_next_contact: Final = Lookup.next_contact


def _next_of_round(lookup: Lookup, now: float) -> Contact | None:
    """Nobody, as long as one who was asked before may still answer."""
    asked = (each for each in lookup._silent.values() if each.state is State.ASKED)
    is_waiting = any(each.asked_at < now < each.asked_at + each.stall for each in asked)
    return None if is_waiting else _next_contact(lookup, now)


ROUNDS: Final[Values] = {"dht.lookup.Lookup.next_contact": _next_of_round}
"""Asks some, waits for all of them, and then asks the next: as slow as the slowest of each round."""

PLAIN: Final[Values] = {**timeouts(2.0), **NARROW, **SMALL_BUCKETS, **FORGETFUL}
