"""The lookups under way and the last ones before them, added up from events. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from magnetite.events import Event, LookupFinished, LookupProgress, LookupStarted
from magnetite.ids import InfoHash, NodeId

MOST_RECENT: Final = 100


@dataclass(slots=True)
class ActiveLookup:
    """`running` lookups have the same target: one in each family, or of several callers. The numbers are the latest."""

    target: InfoHash | NodeId
    started: float  # the first of them
    running: int = 0
    asked: int = 0
    answered: int = 0
    peers: int = 0


class LookupLog:
    """What lookups have told. Its `observe` belongs among a node's observers."""

    def __init__(self) -> None:
        self._active: dict[InfoHash | NodeId, ActiveLookup] = {}
        self._recent: deque[LookupFinished] = deque(maxlen=MOST_RECENT)

    @property
    def active(self) -> Iterable[ActiveLookup]:
        return self._active.values()

    @property
    def recent(self) -> Iterable[LookupFinished]:
        """The latest first."""
        return reversed(self._recent)

    def observe(self, event: Event) -> None:
        match event:
            case LookupStarted(time, target):
                self._active.setdefault(target, ActiveLookup(target, time)).running += 1
            case LookupProgress(target=target) if target in self._active:
                lookup = self._active[target]
                lookup.asked, lookup.answered, lookup.peers = event.asked, event.answered, event.peers
            case LookupFinished(target=target):
                self._recent.append(event)
                if target in self._active:
                    self._end_one(self._active[target])

    def _end_one(self, lookup: ActiveLookup) -> None:
        lookup.running -= 1
        if lookup.running == 0:
            del self._active[lookup.target]
