"""Files read while they are downloaded, on the virtual network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from magnetite.download import Download
from magnetite.errors import LocalProtocolError, MagnetiteError
from magnetite.net.base import Buffer
from magnetite.simnet import Fabric, Link
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.disk import Lost
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.picker import PickingOrder, lowest_bit
from magnetite.swarm.preference import Preference
from magnetite.swarm.reader import readable_files
from magnetite.torrent.pieces import indices
from magnetite.torrent.selection import parse_selection
from tests.swarm.swarms import PORT, client_at, content, stored, torrent_of, using
from tests.torrent.samples import multi

MiB = 1 << 20
PIECE = 64 << 10
DATA = content(20 * MiB)
METAINFO = torrent_of(DATA, PIECE)
RATE = 1 * MiB  # bytes/s that a seed sends at most


@dataclass
class World:
    download: Download

    @property
    def exchange(self) -> Exchange:
        return self.download._swarm.exchange

    @property
    def due(self) -> list[int]:
        assert self.exchange.book is not None
        return list(self.exchange.book.deadlines)


@asynccontextmanager
async def world(fabric: Fabric, *rates: int, metainfo=METAINFO, data=DATA, **options: object) -> AsyncIterator[World]:
    """A download from one seed for each rate, of which nothing is there yet."""
    async with AsyncExitStack() as stack:
        peers = []
        for number, rate in enumerate(rates, 2):
            ip = f"10.0.0.{number}"
            seed = await stack.enter_async_context(client_at(fabric, ip, link=Link(up=rate, down=100 * MiB)))
            await (await seed.add(metainfo, storage=using(await stored(metainfo, data)))).completed()
            peers.append((ip, PORT))
        leech = await stack.enter_async_context(client_at(fabric, "10.0.0.1"))
        storage = MemoryStorage(metainfo)
        yield World(await leech.add(metainfo, storage=using(storage), peers=peers, **options))


async def test_the_end_can_be_read_long_before_the_rest_is_there(fabric: Fabric) -> None:
    async with world(fabric, RATE) as here, here.download.open(0) as reader:
        assert reader.length == len(DATA)
        with trio.fail_after(2):
            assert await reader.read(len(DATA) - 100, 1000) == DATA[-100:]
        assert here.download.progress().pieces_present < 40
        assert await reader.read(len(DATA), 10) == b""


async def test_a_jump_does_not_wait_for_what_was_asked_before(fabric: Fabric) -> None:
    async with world(fabric, RATE) as here:
        await trio.sleep(10)  # the pipeline is full: some three seconds of the rate
        assert here.exchange.book is not None
        at = lowest_bit(here.exchange.book.picker.open) * PIECE
        asked = trio.current_time()
        async with here.download.open(0) as reader:
            assert await reader.read(at, 1000) == DATA[at : at + 1000]
        assert trio.current_time() - asked < 1.2
        asked = trio.current_time()
        await here.download.completed()
        assert trio.current_time() - asked < 12, "and the peer is asked for the rest as before"


async def test_what_is_read_in_order_comes_in_order_as_fast_as_it_can(fabric: Fabric) -> None:
    async with world(fabric, RATE, RATE) as here, here.download.open(0) as reader:
        began = trio.current_time()
        for at in range(0, len(DATA), 100_000):
            assert await reader.read(at, 100_000) == DATA[at : at + 100_000]
        assert trio.current_time() - began < 12
        assert not here.due


async def test_whoever_has_gone_needs_nothing_any_more(fabric: Fabric) -> None:
    async with world(fabric, RATE) as here:
        async with here.download.open(0) as reader:
            with trio.move_on_after(0.2) as scope:
                await reader.read(10 * MiB, 5 * MiB)
            assert scope.cancelled_caught
            assert here.due
            assert here.due[0] >= 10 * MiB // PIECE
            with trio.move_on_after(0.1):
                await reader.read(3 * MiB, 5 * MiB)
            assert here.due[0] < 10 * MiB // PIECE, "and who jumps needs only what is there"
            assert here.due[-1] < 12 * MiB // PIECE
        assert not here.due
        with pytest.raises(LocalProtocolError, match="closed"):
            await reader.read(0, 1)


async def test_several_read_at_once(fabric: Fabric) -> None:
    async with world(fabric, RATE) as here, trio.open_nursery() as nursery:

        async def read(at: int) -> None:
            async with here.download.open(0) as reader:
                assert await reader.read(at, MiB // 2) == DATA[at : at + MiB // 2]

        began = trio.current_time()
        for at in (0, 5 * MiB, 10 * MiB, len(DATA) - MiB // 2):
            nursery.start_soon(read, at)
    assert trio.current_time() - began < 6


async def test_a_piece_that_is_late_is_asked_of_others_too(fabric: Fabric) -> None:
    async with world(fabric, 4 << 10, RATE) as here:
        await trio.sleep(1)
        async with here.download.open(0) as reader:
            began = trio.current_time()
            for at in range(0, 4 * MiB, PIECE):
                assert await reader.read(at, PIECE) == DATA[at : at + PIECE]
        assert trio.current_time() - began < 12


async def test_a_read_of_a_download_that_ends_does_not_wait_for_ever(fabric: Fabric) -> None:
    async with world(fabric) as here, trio.open_nursery() as nursery:

        async def read() -> None:
            async with here.download.open(0) as reader:
                with pytest.raises(MagnetiteError, match="removed"):
                    await reader.read(0, 10)

        nursery.start_soon(read)
        await trio.sleep(1)
        await here.download.remove()


async def test_only_what_is_wanted_can_be_read(fabric: Fabric) -> None:
    metainfo, data = multi({"a": 40_000, ".pad/1": 100, "b": 10_000, "c": 400_000})
    async with world(fabric, metainfo=metainfo, data=data, files=parse_selection("b")) as here:
        for wrong in (-1, 1, 4):
            with pytest.raises(LocalProtocolError, match="no file"):
                async with here.download.open(wrong):
                    pass
        assert here.download.readable_files() == [2]
        async with here.download.open(3) as reader:
            with pytest.raises(LocalProtocolError, match="wanted"):
                await reader.read(100_000, 10)
            with pytest.raises(LocalProtocolError, match="negative"):
                await reader.read(-1, 10)


async def test_what_is_not_wanted_any_more_is_not_waited_for(fabric: Fabric) -> None:
    metainfo, data = multi({"a": 100_000, "b": 100_000})
    async with world(fabric, metainfo=metainfo, data=data) as here, trio.open_nursery() as nursery:

        async def read() -> None:
            async with here.download.open(0) as reader:
                with pytest.raises(LocalProtocolError, match="wanted"):
                    await reader.read(0, 10)

        nursery.start_soon(read)
        await trio.sleep(1)
        here.download.select(parse_selection("b"))


async def test_a_piece_that_others_have_changed_is_waited_for_again(fabric: Fabric) -> None:
    async with world(fabric, 100 * MiB) as here, trio.open_nursery() as nursery:
        await here.download.completed()
        swarm = here.download._swarm
        read_block, lost = swarm.read_block, []

        async def losing(piece: int, begin: int, length: int) -> Buffer:
            if not lost:
                lost.append(piece)
                here.exchange.doubt(1 << piece)
                raise Lost
            return await read_block(piece, begin, length)

        swarm.read_block = losing

        async def read() -> None:
            async with here.download.open(0) as reader:
                assert await reader.read(3 * PIECE, 10) == DATA[3 * PIECE : 3 * PIECE + 10]
            nursery.cancel_scope.cancel()

        nursery.start_soon(read)
        await trio.sleep(1)
        assert lost == here.due == [3]
        here.exchange.restore(3)
        await trio.sleep(1)
        raise AssertionError("it goes on waiting")


async def test_a_preference_holds_whenever_it_is_told(fabric: Fabric) -> None:
    async with world(fabric, RATE) as here:
        here.download.prefer(Preference(is_sequential=True))
        await trio.sleep(5)
        assert list(indices(here.exchange.have))[:50] == list(range(50)), "but for what it was allowed while choked"
        here.download.prefer(Preference(high=parse_selection("0")))
        assert here.exchange.blocks.order == PickingOrder(high=here.exchange.all_pieces)


def test_a_file_between_two_that_are_wanted_is_not_readable_for_their_sake() -> None:
    metainfo, _ = multi({"a": 20_000, "b": 40_000, "c": 20_000, "d": 5_000, "e": 0})
    assert metainfo.piece_count == 6
    assert readable_files(metainfo, 0b111011) == [0, 2, 3, 4]
    assert readable_files(metainfo, 0b111111) == [0, 1, 2, 3, 4]
