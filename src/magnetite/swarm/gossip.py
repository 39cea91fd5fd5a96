"""What one peer is told of the others (BEP 11), and how often it may tell us of those it knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import islice
from math import inf
from typing import Final

from magnetite.endpoint import Endpoint, is_contactable
from magnetite.pacer import Pacer
from magnetite.wire.pex import MOST_CONTACTS, PexFlag, PexMessage

GOSSIP_EVERY: Final = 60.0  # seconds between two messages to one peer (BEP 11: "no more than 1 PEX message per minute")
FEW: Final = 25  # peers; with fewer, those may be named that were parted with of late (BEP 11, underpopulated lists)
BURST: Final = 3  # messages of a peer that may come at once: its minutes are not quite ours
NOBODY: Final[frozenset[Endpoint]] = frozenset()


class Gossip:
    """One peer's side of the exchange.

    Invariant: no contact is told twice without being told the end of in between, and what was told and not ended is
    never more than were present at once, or FEW. Who was parted with is told at most once while it is remembered.
    """

    __slots__ = ("_due", "_listening", "_told", "_told_parted")

    def __init__(self) -> None:
        self._told: tuple[Endpoint, ...] = ()  # as a dictionary it would be the largest part of a connection
        self._told_parted = NOBODY
        self._due = -inf
        self._listening = Pacer(1 / GOSSIP_EVERY, BURST)

    def is_due(self, now: float) -> bool:
        """Whether the peer may be told something again."""
        return now >= self._due

    def next_message(
        self, present: Mapping[Endpoint, PexFlag], parted: Mapping[Endpoint, PexFlag], peer: Endpoint, now: float
    ) -> PexMessage | None:
        """What has changed since the last message, MOST_CONTACTS of each kind; None where nothing has.

        `present` is who is connected with us, `parted` who was and would be again. A peer is not told of itself, nor of
        hosts it could not reach: what is behind our router is nobody's business.
        """
        told = dict.fromkeys(self._told)
        dropped = tuple(islice((contact for contact in told if contact not in present), MOST_CONTACTS))
        news = (contact for contact in present if contact not in told and _may_know(peer, contact))
        added = {contact: present[contact] for contact in islice(news, MOST_CONTACTS)}
        if len(present) < FEW:
            added |= self._parted_with(parted, peer, told.keys(), FEW - len(present))
        if not added and not dropped:
            return None
        for contact in dropped:
            del told[contact]
        self._told = tuple(told | added)
        self._due = now + GOSSIP_EVERY
        return PexMessage(added, dropped)

    def _parted_with(
        self, parted: Mapping[Endpoint, PexFlag], peer: Endpoint, told: Set[Endpoint], most: int
    ) -> dict[Endpoint, PexFlag]:
        """Up to `most` of those that were parted with; the next message says that they are gone."""
        if self._told_parted:
            self._told_parted &= parted.keys()
        known = told | self._told_parted
        news = islice((each for each in parted if each not in known and _may_know(peer, each)), most)
        added = {contact: parted[contact] for contact in news}
        if added:
            self._told_parted |= added.keys()
        return added

    def may_hear(self, now: float) -> bool:
        """Whether what the peer tells us now is listened to; counts as heard."""
        return self._listening.take(now)


def _may_know(peer: Endpoint, contact: Endpoint) -> bool:
    return contact != peer and is_contactable(contact, peer.scope)
