"""Items that nodes of the DHT store for anybody (BEP 44), as their readers and writers see them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from math import inf
from random import Random
from typing import NoReturn, TypeAlias

import trio

from magnetite.dht.contact import Contact
from magnetite.dht.feed import poll_delay
from magnetite.dht.item_store import ItemStore
from magnetite.dht.items import Item, MutableItem, is_valid, mutable_target
from magnetite.dht.messages import GetItem, PutItem, Response
from magnetite.dht.newest_item import NewestItem
from magnetite.dht.peer_search import PeerSearch
from magnetite.dht.republishing import first_delay, needs_republishing, next_delay
from magnetite.dht.search import Collect, SearchQuery
from magnetite.dht.stored import Stored
from magnetite.errors import LocalProtocolError
from magnetite.ids import NodeId

Searching: TypeAlias = Callable[[SearchQuery, Collect | None], AbstractAsyncContextManager[PeerSearch]]


class StoredItems:
    """Reads and writes by searches of a node; `store` are those items that are stored with us. See `DhtNode.items`."""

    def __init__(self, store: ItemStore, searching: Searching, rng: Random) -> None:
        self._store = store
        self._searching = searching
        self._rng = rng

    async def get(self, target: NodeId, salt: bytes = b"") -> Item | None:
        """The item stored under `target`, of a mutable one the newest found; None if nobody has it (BEP 44)."""
        # We may be among the closest ourselves; an item in the store fits its target, salt included.
        newest = NewestItem(target, salt, self._store.get(target, trio.current_time()))
        async with self._searching(GetItem(target), newest.take_in) as search:
            await search.finished()
        return newest.item

    async def put(self, item: Item, cas: int | None = None) -> Stored:
        """Store `item` at the K nodes closest to its target (BEP 44).

        With `cas` only those accept that hold this sequence number now, or no item at all. Raises LocalProtocolError
        for an item that no node may store: too large, not canonical, or not signed by its key.
        """
        if not is_valid(item):
            raise LocalProtocolError(f"the item {item.target} is too large, no canonical bencoding, or wrongly signed")
        having: set[NodeId] = set()

        def note(response: Response) -> None:
            if response.item is not None or response.seq is not None:
                having.add(response.sender)

        def replace_it(contact: Contact, token: bytes) -> PutItem | None:
            return PutItem(item, token, cas) if contact.node_id in having else None

        def add_it(contact: Contact, token: bytes) -> PutItem | None:
            # "When sending a put request to a node that did not return any data [...] cas SHOULD NOT be included"
            return None if contact.node_id in having else PutItem(item, token)

        async with self._searching(GetItem(item.target), note) as search:
            stored = await search.store(replace_it)
            if cas is not None and stored.is_conflict:
                return stored  # those without an item would take ours, and it would win by its higher number
            return stored + await search.store(add_it)

    async def keep(self, item: Item) -> NoReturn:
        """Put `item` again whenever it might be forgotten, and the newer one in its place where there is one (BEP 44).

        Never returns; any number may be kept at once.
        """
        rng = self._rng
        put_at = -inf
        await trio.sleep(first_delay(rng))
        while True:
            newest = NewestItem(item.target, item.salt if isinstance(item, MutableItem) else b"", item)
            async with self._searching(GetItem(item.target, newest.seq), newest.take_in) as search:
                search.be_thorough()
                await search.finished()
                item = newest.item or item
                now = trio.current_time()
                takers = [contact.node_id for contact in search.takers]
                if needs_republishing(newest.holders, takers, now - put_at):
                    await search.store(partial(_put, item))
                    put_at = now
            await trio.sleep(next_delay(rng))

    async def newer(self, key: bytes, salt: bytes = b"", than: int | None = None) -> MutableItem:
        """The item of a public key, once there is one with a `seq` above `than`; looks every few minutes (BEP 46).

        The first look is at once, without `than`; with it somebody has just looked.
        """
        target = mutable_target(key, salt)
        if than is not None:
            await trio.sleep(poll_delay(self._rng))
        while True:
            newest = NewestItem(target, salt, self._store.get(target, trio.current_time()))
            async with self._searching(GetItem(target, than), newest.take_in) as search:
                await search.finished()
            if isinstance(newest.item, MutableItem) and (than is None or newest.item.seq > than):
                return newest.item
            await trio.sleep(poll_delay(self._rng))


def _put(item: Item, _: Contact, token: bytes) -> PutItem:
    return PutItem(item, token)
