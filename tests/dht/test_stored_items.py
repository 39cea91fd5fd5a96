"""Items in a DHT on a virtual network: put, got, replaced, fought over, kept and followed (BEP 44, 46)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from magnetite.dht.contact import K
from magnetite.dht.feed import POLL_INTERVAL, decode_feed, encode_feed
from magnetite.dht.item_store import EXPIRY
from magnetite.dht.items import ImmutableItem, Item, MutableItem, mutable_target, sign
from magnetite.dht.messages import ErrorCode
from magnetite.dht.republishing import REPUBLISH_INTERVAL
from magnetite.errors import LocalProtocolError
from magnetite.events import ItemStored
from magnetite.ids import InfoHash
from magnetite.simnet import Fabric
from tests.dht.world import World, open_world

SEED = bytes(range(32))
KEY = sign(SEED, b"le", 0).key
SALT = b"news"
HELLO = ImmutableItem(b"12:Hello World!")


def version(seq: int, value: bytes = b"1:a") -> MutableItem:
    return sign(SEED, value, seq, SALT)


def puts(world: World) -> int:
    return sum(isinstance(event, ItemStored) for events in world.events.values() for event in events)


async def test_what_one_node_puts_another_gets(fabric: Fabric) -> None:
    async with open_world(fabric, 50) as world:
        writer, reader = world.nodes[10], world.nodes[40]
        stored = await writer.items.put(HELLO)
        assert (stored.accepted >= K, stored.refusals, stored.silent) == (True, {}, 0)
        assert await reader.items.get(HELLO.target) == HELLO
        assert await reader.items.get(ImmutableItem(b"0:").target) is None


async def test_who_stores_an_item_itself_need_not_be_told(fabric: Fabric) -> None:
    async with open_world(fabric, 2, settle=10) as world:
        assert (await world.nodes[0].items.put(version(1))).accepted == 1
        assert await world.nodes[1].items.get(version(1).target, SALT) == version(1)
        assert await world.nodes[1].items.newer(KEY, SALT) == version(1)


async def test_an_update_takes_the_place_of_what_was_there(fabric: Fabric) -> None:
    async with open_world(fabric, 50) as world:
        assert (await world.nodes[10].items.put(version(1))).accepted >= K
        assert (await world.nodes[20].items.put(version(2, b"1:b"))).accepted >= K
        for reader in world.nodes[30:35]:
            assert await reader.items.get(mutable_target(KEY, SALT), SALT) == version(2, b"1:b")
        assert await world.nodes[40].items.get(mutable_target(KEY)) is None, "the salt is part of the name"


async def test_an_outdated_put_is_refused_by_everybody_who_knows_better(fabric: Fabric) -> None:
    async with open_world(fabric, 50) as world:
        held = (await world.nodes[10].items.put(version(2))).accepted
        for late in (version(1), version(2, b"1:b")):
            stored = await world.nodes[20].items.put(late)
            assert stored.refusals[ErrorCode.SEQ_TOO_LOW] >= held - 2
            assert stored.is_conflict
        assert not (await world.nodes[20].items.put(version(2))).is_conflict, "the same again only renews it"


async def test_of_two_who_write_at_once_the_second_is_told(fabric: Fabric) -> None:
    async with open_world(fabric, 50) as world:
        held = (await world.nodes[10].items.put(version(1))).accepted
        first = await world.nodes[20].items.put(version(2, b"1:b"), cas=1)
        second = await world.nodes[30].items.put(version(3, b"1:c"), cas=1)
        assert (first.accepted >= held - 2, first.is_conflict) == (True, False)
        assert second.refusals[ErrorCode.CAS_MISMATCH] >= held - 2
        assert second.is_conflict
        assert await world.nodes[40].items.get(mutable_target(KEY, SALT), SALT) == version(2, b"1:b")


async def test_where_there_is_nothing_cas_does_not_count(fabric: Fabric) -> None:
    async with open_world(fabric, 30) as world:
        assert (await world.nodes[10].items.put(version(7), cas=3)).accepted >= K


@pytest.mark.parametrize(
    "item", [ImmutableItem(b"d1:b0:1:a0:e"), ImmutableItem(b"1000:" + bytes(1000)), replace(version(1), seq=2)]
)
async def test_what_no_node_may_store_is_not_sent(fabric: Fabric, item: Item) -> None:
    async with open_world(fabric, 3, settle=5) as world:
        with pytest.raises(LocalProtocolError):
            await world.nodes[0].items.put(item)


async def test_without_anybody_who_keeps_it_an_item_is_forgotten(fabric: Fabric) -> None:
    async with open_world(fabric, 10, settle=20) as world:
        await world.nodes[5].items.put(HELLO)
        await trio.sleep(EXPIRY - 60)
        assert await world.nodes[9].items.get(HELLO.target) == HELLO
        await trio.sleep(120)
        assert await world.nodes[9].items.get(HELLO.target) is None


async def test_a_kept_item_outlives_hours_in_which_everybody_else_leaves(fabric: Fabric) -> None:
    """Beside the keeper and three routers there are ten others, and every quarter of an hour another takes a place."""
    turn, hours, item = 900.0, 5, version(1)
    async with open_world(fabric, 4, settle=10) as world, trio.open_nursery() as nursery:
        keeper = world.nodes[3]

        async def live_for(seconds: float) -> None:
            async with world.node() as node:
                await trio.sleep(seconds)
                assert await node.items.get(item.target, SALT) == item

        for number in range(1, 11):
            nursery.start_soon(live_for, number * turn)
        await trio.sleep(60)
        await keeper.items.put(item)
        nursery.start_soon(keeper.items.keep, item)
        for _ in range(int(hours * 3600 / turn)):
            await trio.sleep(turn)
            nursery.start_soon(live_for, 10 * turn)
        nursery.cancel_scope.cancel()


async def test_who_keeps_an_item_keeps_the_newest(fabric: Fabric) -> None:
    async with open_world(fabric, 10, settle=20) as world, trio.open_nursery() as nursery:
        await world.nodes[5].items.put(version(1))
        nursery.start_soon(world.nodes[5].items.keep, version(1))
        await world.nodes[6].items.put(version(2, b"1:b"))
        await trio.sleep(1.2 * EXPIRY)
        assert await world.nodes[9].items.get(mutable_target(KEY, SALT), SALT) == version(2, b"1:b")
        nursery.cancel_scope.cancel()


async def test_items_of_one_node_are_put_again_all_over_the_hour(fabric: Fabric) -> None:
    async with open_world(fabric, 10, settle=20) as world, trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(world.nodes[5].items.keep, ImmutableItem(b"i%de" % number))
        before, busy = 0, 0
        for _ in range(11):
            await trio.sleep(REPUBLISH_INTERVAL / 11)
            busy += puts(world) > before
            before = puts(world)
        assert before >= 12 * K
        assert busy >= 5
        nursery.cancel_scope.cancel()


async def test_a_follower_sees_what_is_published_next(fabric: Fabric) -> None:
    first, second = InfoHash(1), InfoHash(2)
    async with open_world(fabric, 12, settle=20) as world:
        publisher, follower = world.nodes[5], world.nodes[8]
        seen: list[tuple[float, InfoHash | None]] = []

        async def follow() -> None:
            item = await follower.items.newer(KEY, SALT)
            while True:
                seen.append((trio.current_time(), decode_feed(item)))
                item = await follower.items.newer(KEY, SALT, item.seq)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.sleep(POLL_INTERVAL)
            assert seen == [], "nothing is published yet"
            await publisher.items.put(version(1, encode_feed(first)))
            await trio.sleep(1.3 * POLL_INTERVAL)
            published = trio.current_time()
            await publisher.items.put(version(2, encode_feed(second)))
            await trio.sleep(1.3 * POLL_INTERVAL)
            nursery.cancel_scope.cancel()
        assert [info_hash for _, info_hash in seen] == [first, second]
        assert seen[1][0] - published < 1.3 * POLL_INTERVAL
