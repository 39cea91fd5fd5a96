from __future__ import annotations

from contextlib import aclosing
from random import Random

import pytest
import trio

from magnetite import study
from magnetite.dht.contact import Family, K
from magnetite.endpoint import Endpoint
from magnetite.events import Event
from magnetite.ids import InfoHash, NodeId
from magnetite.simnet import Link, NatKind
from magnetite.simnet.faults import DROP
from magnetite.study import World
from magnetite.swarm.choker import Choice
from magnetite.swarm.picker import PiecePicker, lowest_bit
from magnetite.torrent.magnet import parse_magnet

KiB = 1 << 10


async def fetch(world: World, host, magnet: str, **options) -> None:
    download = await world.download(host, magnet, **options)
    await download.completed()
    world.record(host=host.ip, seconds=world.now)


async def small_crowd(world: World, crowd: int = 3, by_reference: bool = False, **options) -> None:
    magnet = await world.seed(256 * KiB, Link(up=64 * KiB), piece_length=32 * KiB, by_reference=by_reference)
    async with trio.open_nursery() as nursery:
        for host in world.hosts(crowd, Link(up=64 * KiB)):
            nursery.start_soon(fetch, world, host, magnet)


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    first, again, other = (study.run(small_crowd, seed=seed) for seed in (1, 1, 2))
    assert (first.digest, first.rows) == (again.digest, again.rows)
    assert first.digest != other.digest
    assert len(first.rows) == 3


def test_content_by_reference_takes_the_same_time_as_real_bytes() -> None:
    real, referred = (study.run(small_crowd, by_reference=each) for each in (False, True))
    assert max(row["seconds"] for row in referred.rows) == pytest.approx(
        max(row["seconds"] for row in real.rows), rel=0.05
    )


def test_what_fails_says_how_to_have_it_again() -> None:
    async def failing(world: World, size: int) -> None:
        await world.at(3)
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose") as failure:
        study.run(failing, seed=5, size=7)
    assert failure.value.__notes__ == [
        "at virtual time 3.000 s; again by: magnetite simulate failing --seed 5 --set size=7"
    ]


def test_streams_of_chance_do_not_shift_each_other() -> None:
    drawn = []

    async def drawing(world: World, more: bool) -> None:
        if more:
            world.rng("other").random()
        drawn.append(world.rng("arrivals").random())
        assert world.rng("arrivals") is world.rng("arrivals")

    study.run(drawing, more=False)
    study.run(drawing, more=True)
    assert drawn[0] == drawn[1]


def test_hosts_have_public_addresses_each_in_a_subnet_of_its_own() -> None:
    async def looking(world: World) -> None:
        ips = [host.ip for host in world.hosts(500)]
        assert len({ip.rpartition(".")[0] for ip in ips}) == 500

    study.run(looking)


def test_a_fault_lasts_as_long_as_its_block() -> None:
    def nothing_passes(packet, rng: Random):
        return DROP

    async def failing(world: World) -> None:
        left, right = world.hosts(2)
        async with (
            aclosing(await left.open_udp(Endpoint(left.ip, 1))) as sender,
            aclosing(await right.open_udp(Endpoint(right.ip, 1))) as receiver,
        ):
            with world.fault(nothing_passes):
                sender.send(b"lost", receiver.local)
            sender.send(b"heard", receiver.local)
            assert [each.data for each in await receiver.receive_batch()] == [b"heard"]

    study.run(failing)


def test_a_client_that_comes_back_finds_its_disk_unless_it_was_wiped() -> None:
    async def returning(world: World) -> None:
        magnet = await world.seed(64 * KiB)
        [host] = world.hosts(1)
        async with world.client(host) as client:
            await (await client.add(magnet, peers=world.peers(magnet, host))).completed()
        async with world.client(host) as client:
            await (await client.add(world.metainfo(magnet))).completed()
        world.disk(host).crash(is_lost=True)
        async with world.client(host) as client:
            download = await client.add(world.metainfo(magnet))
            await trio.sleep(60)
            assert download.progress().present == 0

    study.run(returning)


def test_a_study_may_put_its_own_choker_and_picker_in_the_place_of_ours() -> None:
    asked: list[str] = []

    class Greedy:
        slots = 0

        def __init__(self, rng: Random) -> None: ...

        def choose(self, interested, *, seeding: bool, now: float) -> Choice:
            asked.append("choker")
            return Choice(frozenset())

    class FirstPiece(PiecePicker):
        def _choose(self, among: int, suggested: int) -> int | None:
            asked.append("picker")
            return lowest_bit(among) if among else None

    async def trading(world: World) -> None:
        magnet = await world.seed(256 * KiB, Link(up=16 * KiB), make_choker=Greedy)
        [host] = world.hosts(1)
        with trio.move_on_after(30):
            await fetch(world, host, magnet, make_picker=FirstPiece)

    study.run(trading)
    assert set(asked) == {"choker", "picker"}


def test_a_warm_dht_is_found_through_and_keeps_what_is_announced() -> None:
    async def searching(world: World) -> None:
        population = await world.dht(300, dead=0.2)
        magnet = await world.seed(64 * KiB)
        await world.at(60)
        info_hash = parse_magnet(magnet).info_hash
        holders = [each for each in population.residents if each.store.knows(info_hash, Family.IPV4)]
        assert set(holders) >= set(population.closest(info_hash)[: K // 2])
        [host] = world.hosts(1)
        await fetch(world, host, magnet)

    assert study.run(searching).rows


def test_a_node_may_be_spared_its_joining_and_finds_who_is_closest() -> None:
    async def searching(world: World) -> None:
        population = await world.dht(500)
        async with world.node(world.host()) as node:
            population.acquaint(node)
            target = NodeId(world.rng("targets").getrandbits(160))
            found = await node.find_node(target)
            assert [each.node_id for each in found] == [each.contact.node_id for each in population.closest(target)]

    study.run(searching)


def test_a_table_is_drawn_from_each_buckets_range_and_whole_where_that_holds_few() -> None:
    async def drawing(world: World) -> None:
        population = await world.dht(1000)
        own = population.residents[0].contact.node_id
        by_bucket: dict[int, int] = {}
        everybody: dict[int, int] = {}
        for contacts, into in ((population.draw(own), by_bucket), (population.contacts.values(), everybody)):
            for contact in contacts:
                if contact.node_id != own:
                    number = 160 - (contact.node_id ^ own).bit_length()
                    into[number] = into.get(number, 0) + 1
        assert by_bucket == {number: min(K, count) for number, count in everybody.items()}

    study.run(drawing)


def test_production_nodes_may_join_for_real() -> None:
    async def joining(world: World) -> None:
        nodes = await world.join_dht(10, settle=30)
        assert all(node.is_usable for node in nodes)
        assert await nodes[0].announce(InfoHash(1), 7) == K

    study.run(joining)


def test_who_watches_a_client_hears_its_events_beside_the_trace() -> None:
    heard: list[Event] = []

    async def watching(world: World) -> None:
        magnet = await world.seed(64 * KiB)
        await fetch(world, world.host(), magnet, observe=heard.append)
        assert world.trace.count > len(heard) > 0

    study.run(watching)


def test_who_is_behind_a_router_dials_out_and_is_not_reached() -> None:
    async def behind_routers(world: World) -> None:
        magnet = await world.seed(64 * KiB)
        inside, other = world.hosts(2, nat=NatKind.PORT_RESTRICTED)
        await fetch(world, inside, magnet)
        lonely = world.torrent(64 * KiB)
        await world.share(inside, lonely, port=7000)
        with trio.move_on_after(60):
            await fetch(world, other, lonely, port=7000)
        assert len(world.rows) == 1

    study.run(behind_routers)


def test_the_copies_of_each_piece_can_be_sampled_by_a_task_beside_the_study() -> None:
    async def sampling(world: World) -> None:
        magnet = await world.seed(128 * KiB, Link(up=64 * KiB), piece_length=32 * KiB)
        samples: list[list[int]] = []

        async def sample() -> None:
            while True:
                samples.append(world.copies(magnet))
                await trio.sleep(0.5)

        world.start(sample)
        await fetch(world, world.host(), magnet)
        assert samples[0] == [1, 1, 1, 1]
        assert world.copies(magnet) == [2, 2, 2, 2]
        assert any(2 in sample and 1 in sample for sample in samples)

    study.run(sampling)


def test_interest_is_over_the_pairs_of_those_who_have_part_of_a_torrent() -> None:
    async def looking(world: World) -> None:
        magnet = world.torrent(3 * 32 * KiB, piece_length=32 * KiB)
        content = world.content(magnet)
        one, other, whole, empty = (content.storage(is_complete=number == 2) for number in range(4))
        assert world.interest(magnet) is None
        for storage, numbers in ((one, (0,)), (other, (0, 1))):
            for piece in numbers:
                assert await storage.commit([(piece, await whole.read(piece, 0, 32 * KiB))]) == [True]
        assert world.interest(magnet) == 0.5
        assert empty.present == 0

    study.run(looking)
