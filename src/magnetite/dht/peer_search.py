"""A search as its user reads it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from magnetite.dht.contact import Contact
from magnetite.dht.messages import AnnouncePeer, Query, Response
from magnetite.dht.search import Search, nobody_waits
from magnetite.dht.stored import Stored
from magnetite.endpoint import Endpoint
from magnetite.errors import QueryError, QueryTimeout
from magnetite.events import Announced, Emit
from magnetite.ids import InfoHash

log = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[Endpoint, Query], Awaitable[Response]]


class PeerSearch:
    """A search under way, as `DhtNode.get_peers` gives it: an asynchronous iterator of peers, for one reader.

    It searches both DHTs, IPv4's and IPv6's, where the node takes part in both. Answers move it on by themselves; that
    somebody is silent it notices only while its reader waits for it.
    """

    def __init__(self, searches: Sequence[Search], ask: Ask, emit: Emit) -> None:
        self._ask = ask
        self._searches = searches
        self._emit = emit

    def __aiter__(self) -> PeerSearch:
        return self

    async def __anext__(self) -> Endpoint:
        while not (found := next((search.found for search in self._searches if search.found), None)):
            if self._is_finished:
                raise StopAsyncIteration
            await self._progress()
        await trio.lowlevel.checkpoint()
        return found.popleft()

    @property
    def closest(self) -> list[Contact]:
        """The K closest nodes of each DHT that have answered so far, the closest first."""
        contacts = [
            (contact.node_id ^ each.lookup.target, contact)
            for each in self._searches
            for contact in each.lookup.closest
        ]
        return [contact for _, contact in sorted(contacts)]

    @property
    def peers(self) -> int:
        """How many different peers were found so far."""
        return sum(search.lookup.peers for search in self._searches)

    def be_thorough(self) -> None:
        """Find all of the K closest, whatever it costs, in place of some: where to store, or who they are."""
        for search in self._searches:
            search.lookup.is_thorough = True

    def be_content(self, rest: float) -> None:
        """Once there is a peer, ask nobody else for `rest` seconds: one may do, and the reader ends the search then."""
        for search in self._searches:
            search.rest = rest

    async def finished(self) -> None:
        """Wait for the end; peers found meanwhile can be read after it."""
        while not self._is_finished:
            await self._progress()

    async def announce(
        self, port: int, implied_port: bool = False, is_seed: bool = False, *, ipv6_port: int | None = None
    ) -> int:
        """Announce to the K closest nodes, once the search is finished; how many took note. See `DhtNode.announce`.

        `ipv6_port` is for the DHT of IPv6, where it is another: routers translate IPv4 alone.
        """
        info_hash = InfoHash(self._searches[0].lookup.target)

        def query(contact: Contact, token: bytes) -> AnnouncePeer:
            own_port = ipv6_port if ipv6_port is not None and contact.endpoint.is_ipv6 else port
            return AnnouncePeer(info_hash, own_port, token, implied_port, is_seed)

        stored = await self.store(query)
        self._emit(Announced(trio.current_time(), info_hash, stored.accepted))
        return stored.accepted

    @property
    def takers(self) -> list[Contact]:
        """The nodes `store` would write to now: the K closest of each DHT, as far as they gave a token."""
        return [contact for search in self._searches for contact, _ in search.lookup.tokens]

    async def store(self, query: Callable[[Contact, bytes], Query | None]) -> Stored:
        """Send each of the K closest nodes the query for it and its token, if any, once the search is finished."""
        self.be_thorough()
        await self.finished()
        accepted = silent = 0
        refusals = Counter[int]()

        async def ask(contact: Contact, query: Query) -> None:
            nonlocal accepted, silent
            try:
                await self._ask(contact.endpoint, query)
            except QueryError as error:
                log.debug("%s stored nothing for us: %s", contact.endpoint, error)
                refusals[error.code] += 1
            except QueryTimeout:
                silent += 1
            else:
                accepted += 1

        async with trio.open_nursery() as nursery:
            for search in self._searches:
                for contact, token in search.lookup.tokens:
                    if (asked := query(contact, token)) is not None:
                        nursery.start_soon(ask, contact, asked)
        return Stored(accepted, refusals, silent)

    @property
    def _is_finished(self) -> bool:
        return all(search.is_finished for search in self._searches)

    async def _progress(self) -> None:
        """Wait until there is something to see, or until it is time to give a silent node's slot to another."""
        under_way = [search for search in self._searches if not search.is_finished]
        woken = trio.Event()
        with trio.CancelScope(deadline=min(search.next_wake for search in under_way)) as scope:

            def on_change() -> None:
                if any(search.found or search.is_finished for search in under_way):
                    woken.set()
                elif (wake := min(search.next_wake for search in under_way)) < scope.deadline:
                    scope.deadline = wake  # later ones can wait: to look once in vain is cheaper than to set each

            for search in under_way:
                search.on_change = on_change
            await woken.wait()
        for search in under_way:
            search.on_change = nobody_waits
            search.pump(trio.current_time())
