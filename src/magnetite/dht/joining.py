"""Finding a first node of the DHT, and another whenever nobody is left.

Contacts of the last run come first; routers, which everybody burdens, only where those are silent.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import trio

from magnetite.dht.commons import Commons
from magnetite.dht.contact import Contact, Family, K, family_of
from magnetite.dht.exchange import Exchange
from magnetite.dht.lookup import MAX_NAMED, START
from magnetite.dht.messages import FindNode, Response
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.transactions import GIVE_UP, Outcome
from magnetite.dht.upkeep import refresh_targets
from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.events import BootstrapFailed, BootstrapFinished
from magnetite.ids import NodeId

log = logging.getLogger(__name__)

KNOWN_PATIENCE: Final = 0.5  # seconds the contacts we know have before routers are asked: of many the first is fast
MOST_SAVED: Final = 64  # of the saved contacts that are asked at the start
FIRST_RETRY: Final = 2.0  # seconds after a bootstrap that failed; doubled each time
LAST_RETRY: Final = 60.0
PAUSES: Final = (4.0, 12.0, 36.0, 108.0, 324.0)  # seconds until we look for our neighbours again: others join, too
REJOIN: Final = 15 * 60.0  # seconds, from then on: the neighbourhood is what we answer for
REJOIN_ALONE: Final = 10.0  # seconds, while there are fewer than K contacts: the DHT may be as young as we are


class Joining:
    """Makes a presence usable, and keeps it so."""

    def __init__(
        self, table: RoutingTable, exchange: Exchange, commons: Commons, family: Family, saved: Sequence[Endpoint]
    ) -> None:
        self._table = table
        self._exchange = exchange
        self._commons = commons
        self._family = family
        self._saved = saved[:MOST_SAVED]  # only who answers gets into the table: after a month most of them are gone
        self._usable = trio.Event()
        self._rejoin = trio.Event()

    @property
    def is_usable(self) -> bool:
        """Whether a search can begin: somebody has answered, and named a contact. One router's answer is enough."""
        return self._usable.is_set()

    async def wait_usable(self) -> None:
        while not self._usable.is_set():
            await self._usable.wait()

    async def stay_joined(self, find_node: Callable[[NodeId], Awaitable[object]]) -> None:
        """Join, get to know the neighbourhood by `find_node`, and do so again now and then. Never returns."""
        retry, turn = FIRST_RETRY, 0
        while True:
            if self.is_usable or await self._bootstrap(retry):
                retry = FIRST_RETRY
                self._rejoin = trio.Event()
                for target in refresh_targets(self._table, turn, trio.current_time(), self._commons.rng):
                    await find_node(target)
                if is_alone := len(self._table) < K:
                    pause = REJOIN_ALONE
                else:
                    pause = PAUSES[turn] if turn < len(PAUSES) else REJOIN
                with trio.move_on_after(pause) as waiting:
                    await self._rejoin.wait()
                turn = turn + 1 if waiting.cancelled_caught and not is_alone else 0
            else:
                with trio.move_on_after(retry):
                    await self._usable.wait()
                retry = min(2 * retry, LAST_RETRY)

    def rejoin(self) -> None:
        """Our place, or the network, has changed: get to know the neighbourhood again."""
        self._rejoin.set()

    def check(self, now: float) -> None:
        """Notice that somebody has answered, or that nobody is left."""
        if self._usable.is_set():
            if len(self._table) == 0:
                self._usable = trio.Event()
                self.rejoin()
        elif self._exchange.counters.responses_received and len(self._table):
            self._usable.set()
            self._commons.emit(BootstrapFinished(now, len(self._table)))

    def take_in(self, outcome: Outcome, now: float) -> None:
        """Consider the contacts that an answer names."""
        if isinstance(outcome, Response):
            for contact in outcome.contacts(self._family)[:MAX_NAMED]:
                self._table.on_named(contact, now)

    async def _bootstrap(self, retry: float) -> bool:
        """Try to become usable: by the contacts we know, and, if they are silent, by the routers."""
        now = trio.current_time()
        known = dict.fromkeys(entry.contact.endpoint for entry in self._table.nearest(self._table.own_id, START))
        known.update(dict.fromkeys(self._saved))
        routers = self._commons.routers
        if not routers and not known:
            await self._usable.wait()  # a first node: others will find it
            return True
        for endpoint in known:
            self._commons.budget.reserve(endpoint, now)
            self._exchange.ask(endpoint, FindNode(self._table.own_id), self.take_in, now)
        if known:
            with trio.move_on_after(KNOWN_PATIENCE):
                await self._usable.wait()
        if not self.is_usable:
            await self._ask_routers()
        if not self.is_usable:
            asked = len(known) + len(routers)
            self._commons.emit(BootstrapFailed(trio.current_time(), asked, retry, Reason.NO_BOOTSTRAP))
        return self.is_usable

    async def _ask_routers(self) -> None:
        """Resolve and ask all at once; the first answer will do."""
        with trio.move_on_after(GIVE_UP):
            async with trio.open_nursery() as nursery:
                for host, port in self._commons.routers:
                    nursery.start_soon(self._ask_router, host, port)
                await self._usable.wait()
                nursery.cancel_scope.cancel()

    async def _ask_router(self, host: str, port: int) -> None:
        try:
            endpoints = await self._commons.network.resolve(host, port)
        except NetworkError as error:
            log.info("cannot bootstrap from %s: %s", host, error)
            return
        for endpoint in endpoints:
            if family_of(endpoint) is self._family:
                on_outcome = partial(self._take_in_router, endpoint)
                query = FindNode(self._table.own_id)
                self._exchange.ask(endpoint, query, on_outcome, trio.current_time(), may_join=False)

    def _take_in_router(self, router: Endpoint, outcome: Outcome, now: float) -> None:
        """Routers serve everybody, and are "not automatically" to be kept (BEP 5); but where one knows few others the
        DHT is so small that every node counts."""
        self.take_in(outcome, now)
        if isinstance(outcome, Response) and len(outcome.contacts(self._family)) < K:
            self._table.on_named(Contact(outcome.sender, router), now)
