"""The nodes that answered last, wherever they are in the id space, for lookups to begin with. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final, NamedTuple

from magnetite.dht.contact import Contact, K
from magnetite.ids import NodeId

MAX_CONTACTS: Final = 2_048  # some 600 kB; those of the last hundred lookups
LIFETIME: Final = 10 * 60.0  # seconds; in that time 2 % of nodes that were there for a while leave
_AROUND: Final = 2 * K  # contacts on each side, in numerical order, among which the closest are sought


class Answered(NamedTuple):
    """When and how fast a contact answered last."""

    contact: Contact
    at: float
    round_trip: float


class LookupCache:
    """Contacts by id, the most recent ones; each is known to have lived a short time ago.

    A routing table has few contacts far from its own id, and those only. The nodes that answered other lookups are
    many, and spread evenly: a lookup that begins with them saves a hop, and of several it can begin with the fastest.
    """

    def __init__(self) -> None:
        self._by_id: dict[NodeId, Answered] = {}  # the longest silent first
        self._ids: list[NodeId] = []  # sorted

    def __len__(self) -> int:
        return len(self._ids)

    def on_answer(self, contact: Contact, round_trip: float, now: float) -> None:
        if self._by_id.pop(contact.node_id, None) is None:
            insort(self._ids, contact.node_id)
        self._by_id[contact.node_id] = Answered(contact, now, round_trip)
        if len(self._ids) > MAX_CONTACTS:
            self._remove(next(iter(self._by_id)))

    def get(self, contact: Contact, now: float) -> Answered | None:
        """The answer of `contact` that is remembered, if any."""
        answered = self._by_id.get(contact.node_id)
        return answered if answered is not None and answered.contact == contact and _is_fresh(answered, now) else None

    def closest(self, target: int, count: int, now: float) -> list[Answered]:
        """Up to `count` contacts close to `target`, the closest first.

        Of those whose ids are next to the target in numerical order: the K closest by XOR are nearly always among them.
        """
        middle = bisect_left(self._ids, target)
        nearby = (self._by_id[node_id] for node_id in self._ids[max(0, middle - _AROUND) : middle + _AROUND])
        fresh = [answered for answered in nearby if _is_fresh(answered, now)]
        return sorted(fresh, key=lambda answered: answered.contact.node_id ^ target)[:count]

    def _remove(self, node_id: NodeId) -> None:
        del self._by_id[node_id]
        del self._ids[bisect_left(self._ids, node_id)]


def _is_fresh(answered: Answered, now: float) -> bool:
    return now - answered.at <= LIFETIME
