"""Peers that keep to the rules and are no pleasure to download from: what can go on goes on."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.ids import PeerId
from magnetite.simnet import Fabric, Host
from magnetite.storage.memory import MemoryStorage
from magnetite.torrent import pieces
from magnetite.wire.extensions import MetadataData, MetadataRequest, decode_metadata, encode_metadata
from magnetite.wire.handshake import Handshake
from magnetite.wire.messages import (
    BitfieldMessage,
    Block,
    BlockRequest,
    Choke,
    Extended,
    Have,
    HaveAll,
    HaveNone,
    Message,
    Reject,
    Request,
    Unchoke,
)
from tests.swarm.swarms import PORT, Puppet, bytes_of, client_at, content, torrent_of, until, using

DATA = content(600_000)
METAINFO = torrent_of(DATA)


class Seed:
    """Serves DATA, or the pieces `has` of it, to the client at 10.0.0.2, and calls it again whenever it is gone.

    A subclass answers as it likes.
    """

    def __init__(self, host: Host, *, fast: bool = True, has: int | None = None, rng: Random | None = None) -> None:
        self.host = host
        self.fast = fast
        self.has = pieces.everything(METAINFO.piece_count) if has is None else has
        self.rng = rng or Random(host.ip)
        self.served = 0
        self.asked: list[BlockRequest] = []

    async def run(self) -> None:
        while True:
            with suppress(NetworkError):
                await self.call()
            await trio.sleep(1)

    async def call(self) -> None:
        puppet = Puppet(await self.host.connect(Endpoint("10.0.0.2", PORT)))
        peer_id = PeerId(b"-PU0001-%012d" % self.rng.getrandbits(30))
        await puppet.stream.send_all(Handshake(METAINFO.info_hash, peer_id, True, self.fast).encode())
        try:
            await self.opening(puppet)
            while not puppet.ended:
                for message in await puppet.listen():
                    if isinstance(message, Request):
                        self.asked.append(message.block)
                        await self.on_request(puppet, message.block)
                    else:
                        await self.on_other(puppet, message)
        finally:
            await puppet.stream.aclose()

    async def opening(self, puppet: Puppet) -> None:
        await self.tell(puppet)
        await puppet.introduce(metadata_size=len(METAINFO.info))
        await puppet.say(Unchoke())

    async def tell(self, puppet: Puppet) -> None:
        if self.fast and self.has == pieces.everything(METAINFO.piece_count):
            await puppet.say(HaveAll())
        else:
            await puppet.say(BitfieldMessage(pieces.to_wire(self.has, METAINFO.piece_count)))

    async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
        await self.serve(puppet, block)

    async def serve(self, puppet: Puppet, block: BlockRequest) -> None:
        assert self.has >> block.piece & 1
        self.served += 1
        at = block.piece * METAINFO.piece_length + block.begin
        await puppet.say(Block(block.piece, block.begin, DATA[at : at + block.length]))

    async def on_other(self, puppet: Puppet, message: Message) -> None:
        if isinstance(message, Extended) and message.id == 3:
            request = decode_metadata(message.payload)
            if isinstance(request, MetadataRequest):
                at = request.piece << 14
                data = MetadataData(request.piece, len(METAINFO.info), METAINFO.info[at : at + (1 << 14)])
                await puppet.say(Extended(1, encode_metadata(data)))


async def fetched(fabric: Fabric, *seeds: Seed, within: float, magnet: bool = False) -> float:
    """The client at 10.0.0.2 gets everything from the seeds `within` seconds; how long it took."""
    storage = MemoryStorage(METAINFO)
    async with client_at(fabric, "10.0.0.2") as client, trio.open_nursery() as nursery:
        download = await client.add(str(METAINFO.info_hash) if magnet else METAINFO, storage=using(storage))
        for seed in seeds:
            nursery.start_soon(seed.run)
        started = trio.current_time()
        with trio.fail_after(within):
            await download.completed()
        taken = trio.current_time() - started
        nursery.cancel_scope.cancel()
    assert await bytes_of(storage, METAINFO) == DATA
    return taken


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("magnet", [False, True])
async def test_an_ordinary_seed(fabric: Fabric, fast: bool, magnet: bool) -> None:
    await fetched(fabric, Seed(fabric.host("10.0.1.1"), fast=fast), within=5, magnet=magnet)


class GainsPieces(Seed):
    async def opening(self, puppet: Puppet) -> None:
        await puppet.say(*([HaveNone()] if self.fast else []), Unchoke())
        for piece in range(METAINFO.piece_count):
            await trio.sleep(1)
            await puppet.say(Have(piece))
            await self.answer_what_came(puppet)

    async def answer_what_came(self, puppet: Puppet) -> None:
        with trio.move_on_after(0.5):
            while True:
                for message in await puppet.listen():
                    if isinstance(message, Request):
                        await self.serve(puppet, message.block)


@pytest.mark.parametrize("fast", [False, True])
async def test_a_peer_that_has_its_pieces_one_after_the_other(fabric: Fabric, fast: bool) -> None:
    await fetched(fabric, GainsPieces(fabric.host("10.0.1.1"), fast=fast), within=60)


class Leaves(Seed):
    """Is gone after every third block, in the middle of a piece."""

    async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
        await self.serve(puppet, block)
        if self.served % 3 == 0:
            raise NetworkError


async def test_a_seed_that_leaves_in_the_middle_of_pieces_and_returns(fabric: Fabric) -> None:
    seed = Leaves(fabric.host("10.0.1.1"))
    await fetched(fabric, seed, within=60)
    assert seed.served < 45  # of 37 blocks: what came of a piece is kept


class Chokes(Seed):
    """Chokes after every third block for two seconds. What it was asked meanwhile it drops, with a word or without."""

    rejects = False
    is_choking = False

    async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
        if self.is_choking:
            if self.rejects:
                await puppet.say(Reject(block))
            return
        await self.serve(puppet, block)
        if self.served % 3 == 0:
            self.is_choking = True
            await puppet.say(Choke())
            self.nursery.start_soon(self.unchoke, puppet)

    async def unchoke(self, puppet: Puppet) -> None:
        await trio.sleep(2)
        self.is_choking = False
        with suppress(NetworkError):
            await puppet.say(Unchoke())

    async def run(self) -> None:
        async with trio.open_nursery() as self.nursery:
            await super().run()


class ChokesAndRejects(Chokes):
    rejects = True


@pytest.mark.parametrize(
    ("kind", "fast", "within"), [(Chokes, False, 40), (ChokesAndRejects, True, 40), (Chokes, True, 700)]
)
async def test_a_seed_that_chokes_and_unchokes(fabric: Fabric, kind: type[Seed], fast: bool, within: float) -> None:
    await fetched(fabric, kind(fabric.host("10.0.1.1"), fast=fast), within=within)


class RejectsForAWhile(Seed):
    async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
        if len(self.asked) < 30:
            await puppet.say(Reject(block))
        else:
            await self.serve(puppet, block)


async def test_a_seed_that_rejects_everything_for_a_while(fabric: Fabric) -> None:
    await fetched(fabric, RejectsForAWhile(fabric.host("10.0.1.1")), within=40)


class Forgets(Seed):
    """Serves every fourth request and never answers the others."""

    async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
        if len(self.asked) % 4 == 0:
            await self.serve(puppet, block)


async def test_a_seed_that_forgets_requests(fabric: Fabric) -> None:
    await fetched(fabric, Forgets(fabric.host("10.0.1.1")), within=3600)


class Slow(Seed):
    async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
        await trio.sleep(8)
        await self.serve(puppet, block)


async def test_the_last_blocks_do_not_wait_for_a_slow_peer(fabric: Fabric) -> None:
    await fetched(fabric, Slow(fabric.host("10.0.1.1")), Seed(fabric.host("10.0.1.2")), within=10)


async def test_nor_do_they_where_a_piece_is_missing_that_nobody_has(fabric: Fabric) -> None:
    """Endgame begins when nothing is left that could be asked for, not when nothing is left."""
    some = pieces.everything(METAINFO.piece_count) & ~1
    slow, quick = Slow(fabric.host("10.0.1.1"), has=some), Seed(fabric.host("10.0.1.2"), has=some)
    async with client_at(fabric, "10.0.0.2") as client, trio.open_nursery() as nursery:
        download = await client.add(METAINFO, storage=using(MemoryStorage(METAINFO)))
        nursery.start_soon(slow.run)
        await trio.sleep(2)
        nursery.start_soon(quick.run)
        with trio.fail_after(10):
            await until(lambda: download.progress().pieces_present == METAINFO.piece_count - 1)
        nursery.cancel_scope.cancel()


class Lies(Seed):
    async def serve(self, puppet: Puppet, block: BlockRequest) -> None:
        self.served += 1
        wrong = self.served % 5 == 0
        at = block.piece * METAINFO.piece_length + block.begin
        await puppet.say(Block(*block[:2], bytes(block.length) if wrong else DATA[at : at + block.length]))


class LiesAndLeaves(Lies):
    async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
        await super().on_request(puppet, block)
        if self.served % 5 == 0:
            raise NetworkError


@pytest.mark.parametrize("kind", [Lies, LiesAndLeaves])
async def test_honest_peers_finish_beside_one_that_lies_now_and_then(fabric: Fabric, kind: type[Seed]) -> None:
    honest = [Slowish(fabric.host(f"10.0.1.{n}")) for n in range(1, 3)]
    await fetched(fabric, kind(fabric.host("10.0.1.9")), *honest, within=120)


class Slowish(Seed):
    async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
        await trio.sleep(0.3)
        await self.serve(puppet, block)


async def test_a_peer_that_answers_with_empty_blocks_what_others_reject(fabric: Fabric) -> None:
    """BitComet's way."""

    class Empty(Seed):
        async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
            if len(self.asked) % 2:
                await puppet.say(Block(*block[:2], b""))
            else:
                await self.serve(puppet, block)

    await fetched(fabric, Empty(fabric.host("10.0.1.1"), fast=False), within=60)


@pytest.mark.parametrize("seed", range(20))
async def test_peers_with_a_part_of_it_each_and_every_bad_habit(fabric: Fabric, seed: int) -> None:
    rng = Random(seed)

    class Moody(Chokes):
        rejects = True

        async def on_request(self, puppet: Puppet, block: BlockRequest) -> None:
            mood = self.rng.random()
            if mood < 0.02:
                raise NetworkError
            if mood < 0.05:
                return
            if mood < 0.1 and self.fast:
                await puppet.say(Reject(block))
                return
            await trio.sleep(self.rng.choice([0, 0, 0, 0.1]))
            await super().on_request(puppet, block)

    everything = pieces.everything(METAINFO.piece_count)
    halves = [rng.getrandbits(METAINFO.piece_count) for _ in range(2)]
    parts = [*halves, everything & ~halves[0], everything & ~halves[1]]
    seeds = [
        Moody(fabric.host(f"10.0.1.{n}"), fast=rng.random() < 0.5, has=has, rng=Random(rng.random()))
        for n, has in enumerate(parts)
        if has
    ]
    await fetched(fabric, *seeds, within=150, magnet=rng.random() < 0.5)
