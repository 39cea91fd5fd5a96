"""A walk through the whole key space: whom to ask next for samples of its info-hashes, and when to stop (BEP 51). Pure.

One query a node does both: its answer holds samples, and contacts near a target that is chosen where little is known.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from magnetite.dht.contact import Contact, K
from magnetite.dht.messages import Response
from magnetite.dht.samples import MAX_INTERVAL
from magnetite.endpoint import Endpoint
from magnetite.ids import InfoHash, NodeId

REGION_BITS: Final = 10  # the key space is looked at in 1,024 regions
REGIONS: Final = 1 << REGION_BITS
MAX_WAITING: Final = 16  # contacts of one region that wait to be asked; 16,384 in all
MAX_NAMED: Final = 16  # contacts believed of one answer: K of each family
MAX_VISITED: Final = 200_000  # nodes remembered, for up to 6 hours; some 40 MB
MAX_REMEMBERED: Final = 200_000  # info-hashes that are not told twice
SHORTEST_INTERVAL: Final = 300.0  # seconds, whatever a node says: a few that name one another must not hold the crawl
MAX_STORED: Final = 20_000  # info-hashes believed of one node; what clients are known to store is below that
SILENT_FOR: Final = 60 * 60.0  # seconds until a node that did not answer may be asked again
UNSUPPORTED_FOR: Final = float(MAX_INTERVAL)  # and one that knows nothing of samples

_SHIFT: Final = 160 - REGION_BITS
_Owner: TypeAlias = str | Endpoint


@dataclass(slots=True)
class CrawlTally:
    """What a crawl has done so far."""

    asked: int = 0
    answered: int = 0
    supporting: int = 0  # nodes that gave samples, perhaps none
    stored: int = 0  # info-hashes that these say they store, one that several store counted for each
    info_hashes: int = 0  # different ones told of

    def estimate(self, network_size: int) -> int:
        """Info-hashes in the whole DHT of so many nodes: each is stored by the K closest to it, more or less."""
        return round(self.stored / self.supporting * network_size / K) if self.supporting else 0


class Crawl:
    """Whom to ask, and for the neighbourhood of which target.

    The owner asks whom `next_query` names, and reports with `on_reply`, `on_error` or `on_failure`. Regions of the key
    space take turns: the one where the fewest nodes were asked comes first, and the target of a query lies in the one
    where the fewest are known.

    Invariants: nobody is asked again before the `interval` it named has passed; no address waits twice; everything
    strangers can make grow is bounded, and when MAX_VISITED nodes are to be remembered nobody else is asked until one
    of them may be forgotten.
    """

    def __init__(self, rng: random.Random, may_contact: Callable[[Endpoint], bool]) -> None:
        self.tally = CrawlTally()
        self._rng = rng
        self._may_contact = may_contact
        self._waiting: list[deque[Contact]] = [deque() for _ in range(REGIONS)]
        self._asked = [0] * REGIONS
        self._owners: set[_Owner] = set()  # of those that wait
        self._not_before: dict[_Owner, float] = {}  # of those asked: when they may be asked again
        self._seen: dict[InfoHash, None] = {}  # the latest, the first of them told first
        self._pending = 0

    @property
    def waiting(self) -> int:
        """Contacts that were named and have not been asked yet."""
        return len(self._owners)

    @property
    def is_finished(self) -> bool:
        """Whether everybody who was named has been asked, and has answered or not."""
        return not self._owners and not self._pending

    def add(self, contacts: Iterable[Contact], now: float) -> None:
        """Hear of nodes; those that may not be contacted, were asked lately or find no room are left out."""
        for contact in contacts:
            owner = contact.endpoint.owner
            region = _region_of(contact.node_id)
            if owner in self._owners or len(self._waiting[region]) >= MAX_WAITING:
                continue
            if self._not_before.get(owner, now) > now or not self._may_contact(contact.endpoint):
                continue
            self._owners.add(owner)
            self._waiting[region].append(contact)

    def next_query(self, now: float) -> tuple[Contact, NodeId] | None:
        """Whom to ask now, and for what target; None if nobody waits, or nobody else can be remembered."""
        if not self._owners or not self._has_room(now):
            return None
        region = min(self._regions(), key=lambda each: (not self._waiting[each], self._asked[each]))
        contact = self._waiting[region].popleft()
        owner = contact.endpoint.owner
        self._owners.remove(owner)
        self._asked[region] += 1
        self._not_before.pop(owner, None)  # to the end
        self._not_before[owner] = now + UNSUPPORTED_FOR
        self._pending += 1
        self.tally.asked += 1
        return contact, self._target()

    def on_reply(self, contact: Contact, response: Response, now: float) -> list[InfoHash]:
        """Take in an answer; the info-hashes that are new."""
        self._pending -= 1
        self.tally.answered += 1
        self.add((*response.nodes[:MAX_NAMED], *response.nodes6[:MAX_NAMED]), now)
        samples = response.samples
        if samples is None:
            return []
        self._not_before[contact.endpoint.owner] = now + max(samples.interval, SHORTEST_INTERVAL)
        self.tally.supporting += 1
        self.tally.stored += min(max(samples.num, len(samples.info_hashes)), MAX_STORED)
        return [info_hash for info_hash in samples.info_hashes if self._is_new(info_hash)]

    def on_error(self, contact: Contact) -> None:
        """It refused: it lives, and does not know the query."""
        self._pending -= 1
        self.tally.answered += 1

    def on_failure(self, contact: Contact, now: float) -> None:
        """It did not answer."""
        self._pending -= 1
        self._not_before[contact.endpoint.owner] = now + SILENT_FOR

    # -- within -------------------------------------------------------------------------------------------------------

    def _target(self) -> NodeId:
        """A random place in the region of which least is known."""
        region = min(self._regions(), key=lambda each: self._asked[each] + len(self._waiting[each]))
        return NodeId(region << _SHIFT | self._rng.getrandbits(_SHIFT))

    def _regions(self) -> Iterator[int]:
        """All of them, from a random one on, so that among equals another comes first each time."""
        first = self._rng.randrange(REGIONS)
        return ((first + step) % REGIONS for step in range(REGIONS))

    def _has_room(self, now: float) -> bool:
        """Whether one more node can be remembered, those forgotten that may be asked again."""
        if len(self._not_before) >= MAX_VISITED:
            self._not_before = {owner: at for owner, at in self._not_before.items() if at > now}
        return len(self._not_before) < MAX_VISITED

    def _is_new(self, info_hash: InfoHash) -> bool:
        if info_hash in self._seen:
            return False
        if len(self._seen) >= MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[info_hash] = None
        self.tally.info_hashes += 1
        return True


def _region_of(node_id: NodeId) -> int:
    return node_id >> _SHIFT
