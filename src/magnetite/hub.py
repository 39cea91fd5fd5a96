"""Where a client's events go: observers at once, readers through bounded queues that lose rather than delay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import trio

from magnetite.events import Event, EventsLost

READER_LIMIT = 10_000  # events waiting for one reader

Observer: TypeAlias = Callable[[Event], None]


class EventHub:
    """One a client. A slow reader loses events and is told so; the client never waits for it."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = list(observers)

    def observe(self, observer: Observer) -> None:
        """Call it with every event from now on; it must not raise."""
        self._observers.append(observer)

    def emit(self, event: Event) -> None:
        for observe in self._observers:
            observe(event)

    @contextmanager
    def reading(self, limit: int = READER_LIMIT) -> Iterator[EventReader]:
        """The events from now on: `with hub.reading() as events: async for event in events: ...`."""
        reader = EventReader(limit)
        self._observers.append(reader.put)
        try:
            yield reader
        finally:
            self._observers.remove(reader.put)


class EventReader:
    """A queue of events for one task. Where events were lost, EventsLost stands in their place."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()
        self._lost = 0
        self._is_closed = False
        self._waiting = trio.lowlevel.ParkingLot()

    def put(self, event: Event) -> None:
        if len(self._events) >= self._limit:
            self._lost += 1
            return
        if self._lost:
            self._events.append(EventsLost(event.time, self._lost))
            self._lost = 0
        self._events.append(event)
        self._waiting.unpark()

    def take_waiting(self) -> list[Event]:
        """What is queued now, without waiting."""
        events = list(self._events)
        self._events.clear()
        return events

    def close(self) -> None:
        """The iteration ends after what is queued already."""
        self._is_closed = True
        self._waiting.unpark_all()

    def __aiter__(self) -> EventReader:
        return self

    async def __anext__(self) -> Event:
        await trio.lowlevel.checkpoint()
        while not self._events:
            if self._is_closed:
                raise StopAsyncIteration
            await self._waiting.park()
        return self._events.popleft()
