"""A search as its user reads it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from magnetite.dht.contact import Contact
from magnetite.dht.messages import AnnouncePeer, Query, Response
from magnetite.dht.search import Search
from magnetite.endpoint import Endpoint
from magnetite.errors import QueryError, QueryTimeout
from magnetite.events import Announced, Emit
from magnetite.ids import InfoHash

log = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[Endpoint, Query], Awaitable[Response]]


class PeerSearch:
    """A search under way, as `DhtNode.get_peers` gives it: an asynchronous iterator of peers, for one reader.

    Answers move it on by themselves; that somebody is silent it notices only while its reader waits for it.
    """

    def __init__(self, search: Search, ask: Ask, emit: Emit) -> None:
        self._ask = ask
        self._search = search
        self._emit = emit

    def __aiter__(self) -> PeerSearch:
        return self

    async def __anext__(self) -> Endpoint:
        while not self._search.found:
            if self._search.is_finished:
                raise StopAsyncIteration
            await self._progress()
        await trio.lowlevel.checkpoint()
        return self._search.found.popleft()

    @property
    def closest(self) -> list[Contact]:
        """The K closest nodes that have answered so far, the closest first."""
        return self._search.lookup.closest

    @property
    def peers(self) -> int:
        """How many different peers were found so far."""
        return self._search.lookup.peers

    async def finished(self) -> None:
        """Wait for the end; peers found meanwhile can be read after it."""
        while not self._search.is_finished:
            await self._progress()

    async def announce(self, port: int, implied_port: bool = False) -> int:
        """Announce to the K closest nodes, once the search is finished; how many took note. See `DhtNode.announce`."""
        await self.finished()
        info_hash = InfoHash(self._search.lookup.target)
        accepted = 0

        async def announce_to(contact: Contact, token: bytes) -> None:
            nonlocal accepted
            try:
                await self._ask(contact.endpoint, AnnouncePeer(info_hash, port, token, implied_port))
            except (QueryError, QueryTimeout) as error:
                log.debug("%s did not take our announce: %s", contact.endpoint, error)
            else:
                accepted += 1

        async with trio.open_nursery() as nursery:
            for contact, token in self._search.lookup.tokens:
                nursery.start_soon(announce_to, contact, token)
        self._emit(Announced(trio.current_time(), info_hash, accepted))
        return accepted

    async def _progress(self) -> None:
        """Wait until there is something to see, or until it is time to give a silent node's slot to another."""
        search, woken = self._search, trio.Event()
        with trio.CancelScope(deadline=search.next_wake) as scope:

            def on_change() -> None:
                if search.found or search.is_finished:
                    woken.set()
                else:
                    scope.deadline = search.next_wake

            search.on_change = on_change
            await woken.wait()
        search.pump(trio.current_time())
