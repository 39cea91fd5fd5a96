"""A crawl under way: asks at a rate, and tells the info-hashes as they are found (BEP 51)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from math import ceil
from typing import Final, TypeAlias

import trio

from magnetite.background import background
from magnetite.dht.contact import Contact
from magnetite.dht.crawl import Crawl, CrawlTally
from magnetite.dht.messages import Response, SampleInfohashes
from magnetite.dht.transactions import GIVE_UP
from magnetite.endpoint import Endpoint
from magnetite.errors import QueryError, QueryTimeout
from magnetite.ids import InfoHash
from magnetite.pacer import Pacer

CRAWL_RATE: Final = 10.0  # queries/s; a survey is nothing that is in a hurry
HIGHEST_RATE: Final = 100.0  # queries/s; a node writes to no more new addresses
FULL_WAIT: Final = 60.0  # seconds between two looks whether a node may be forgotten

Ask: TypeAlias = Callable[[Endpoint, SampleInfohashes], Awaitable[Response]]


class Crawler:
    """Gives each info-hash once, for one reader; one that reads slowly slows the crawl. Made by `DhtNode.crawl`."""

    def __init__(self, tally: CrawlTally, found: trio.MemoryReceiveChannel[InfoHash]) -> None:
        self.tally = tally
        self._found = found

    def __aiter__(self) -> Crawler:
        return self

    async def __anext__(self) -> InfoHash:
        try:
            return await self._found.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None


@asynccontextmanager
async def open_crawl(crawl: Crawl, ask: Ask, rate: float) -> AsyncIterator[Crawler]:
    """A crawl at `rate` queries/s from the contacts it has been given. Leaving the block ends it."""
    send, receive = trio.open_memory_channel[InfoHash](0)
    with receive:
        async with background() as nursery:
            nursery.start_soon(_run, crawl, ask, rate, send)
            yield Crawler(crawl.tally, receive)


async def _run(crawl: Crawl, ask: Ask, rate: float, found: trio.MemorySendChannel[InfoHash]) -> None:
    pacer = Pacer(rate, burst=1)
    slots = trio.CapacityLimiter(ceil(rate * GIVE_UP))  # as many wait for an answer if nobody gives one
    changed = trio.Event()

    async def query(contact: Contact, asked: SampleInfohashes, who: object) -> None:
        nonlocal changed
        try:
            info_hashes = await _ask_one(crawl, ask, contact, asked)
            changed.set()
            for info_hash in info_hashes:
                await found.send(info_hash)
        finally:
            slots.release_on_behalf_of(who)

    with found:
        async with trio.open_nursery() as nursery:
            while not crawl.is_finished:
                await trio.sleep_until(pacer.reserve(trio.current_time()))
                who = object()
                await slots.acquire_on_behalf_of(who)
                chosen = crawl.next_query(trio.current_time())
                if chosen is not None:
                    nursery.start_soon(query, chosen[0], SampleInfohashes(chosen[1]), who)
                    continue
                slots.release_on_behalf_of(who)
                changed = trio.Event()
                with trio.move_on_after(FULL_WAIT):
                    await changed.wait()


async def _ask_one(crawl: Crawl, ask: Ask, contact: Contact, query: SampleInfohashes) -> Sequence[InfoHash]:
    """Ask, and tell the crawl how it ended; the info-hashes that are new."""
    try:
        response = await ask(contact.endpoint, query)
    except QueryTimeout:
        crawl.on_failure(contact, trio.current_time())
    except QueryError:
        crawl.on_error(contact)
    else:
        return crawl.on_reply(contact, response, trio.current_time())
    return ()
