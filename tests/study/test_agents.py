from __future__ import annotations

from random import Random

import pytest
import trio

from magnetite import study
from magnetite.dht.contact import K
from magnetite.dht.security import is_valid_id
from magnetite.events import PeerBanned, PeerClosed, PieceFailed
from magnetite.ids import InfoHash
from magnetite.simnet import Link
from magnetite.study import World
from magnetite.study.agents.chokers import FIRST_PRICE, FreeRider, Tyrant, tyrant
from magnetite.study.agents.liar import lying
from magnetite.study.agents.pickers import AtRandom, InOrder
from magnetite.study.agents.residents import Poisoner, Silent, near, sybils, valid_near
from magnetite.study.content import Content
from magnetite.swarm.choker import Standing

KiB = 1 << 10


async def fetch(world: World, host, magnet: str, **options) -> None:
    download = await world.download(host, magnet, **options)
    await download.completed()
    world.record(host=host.ip, seconds=world.now, uploaded=download.progress().uploaded)


def test_a_free_rider_gives_nothing_and_is_done_all_the_same() -> None:
    async def riding(world: World) -> None:
        magnet = await world.seed(512 * KiB, Link(up=64 * KiB), piece_length=32 * KiB)
        hosts = world.hosts(4, Link(up=64 * KiB))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: fetch(world, hosts[0], magnet, make_choker=FreeRider))
            for host in hosts[1:]:
                nursery.start_soon(fetch, world, host, magnet)
        uploaded = {row["host"]: row["uploaded"] for row in world.rows}
        assert uploaded[hosts[0].ip] == 0
        assert all(uploaded[host.ip] for host in hosts[1:-1])

    study.run(riding)


def standing(peer: str, gives: float) -> Standing[str]:
    return Standing(peer, gives, 0.0)


def test_a_tyrant_serves_those_who_give_most_for_their_price_within_its_budget() -> None:
    choker = Tyrant[str](Random(1), budget=2.5 * FIRST_PRICE)
    interested = [standing("poor", 1_000), standing("rich", 100_000), standing("fair", 30_000)]
    assert choker.choose(interested, seeding=False, now=0).unchoked == {"rich", "fair"}


def test_a_tyrant_pays_less_and_less_to_who_goes_on_giving_and_so_can_serve_more() -> None:
    choker = Tyrant[str](Random(1), budget=2.0 * FIRST_PRICE)
    interested = [standing(name, 50_000) for name in ("a", "b", "c")]
    assert len(choker.choose(interested, seeding=False, now=0).unchoked) == 2
    for round_number in range(1, 8):
        choice = choker.choose(interested, seeding=False, now=10 * round_number)
    assert choice.unchoked == {"a", "b", "c"}


def test_a_tyrant_downloads_among_ordinary_peers() -> None:
    async def trading(world: World) -> None:
        magnet = await world.seed(256 * KiB, Link(up=64 * KiB), piece_length=32 * KiB)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: fetch(world, world.host(), magnet, make_choker=tyrant(64 * KiB)))
            nursery.start_soon(fetch, world, world.host(Link(up=64 * KiB)), magnet)

    assert len(study.run(trading).rows) == 2


@pytest.mark.parametrize(("picker", "picked"), [(AtRandom, {0, 1, 6}), (InOrder, {0})])
def test_pickers_that_mind_no_availability_begin_any_piece_or_the_first(picker: type, picked: set[int]) -> None:
    begun = set()
    for seed in range(30):
        pieces = picker(0b1000011, 0b1111111, Random(seed))
        pieces.availability.add(0b1000000)
        begun.add(pieces.begin(0b1111111))
        assert pieces.begin(0) is None
    assert begun == picked


def test_nobody_lies_about_content_that_there_is_one_copy_of() -> None:
    content = Content(64 * KiB, Random(1), piece_length=32 * KiB, by_reference=True)
    with pytest.raises(ValueError, match="by reference"):
        lying(content, Random(1))


def test_a_liar_is_banned_and_the_download_completes_from_others() -> None:
    events: list[object] = []

    async def lied_to(world: World) -> None:
        magnet = world.torrent(256 * KiB, piece_length=32 * KiB)
        liar, honest, host = world.hosts(3, Link(up=256 * KiB))
        await world.share(liar, magnet, storage=lying(world.content(magnet), world.rng("lies")))
        await world.share(honest, magnet)
        await fetch(world, host, magnet, observe=events.append)
        assert {event.endpoint.ip for event in events if isinstance(event, PeerBanned)} == {liar.ip}
        assert any(isinstance(event, PieceFailed) for event in events)
        assert not [event for event in events if isinstance(event, PeerClosed) and event.endpoint.ip == honest.ip]

    study.run(lied_to)


async def announced_and_searched(world: World, target: InfoHash) -> int:
    """How many peers a search finds of one that has announced itself."""
    async with world.node(world.host()) as announcer, world.node(world.host()) as searcher:
        assert world.population is not None
        world.population.acquaint(announcer)
        world.population.acquaint(searcher)
        await announcer.announce(target, 7)
        async with searcher.get_peers(target) as search:
            return len([peer async for peer in search])


@pytest.mark.parametrize("kind", [Silent, Poisoner])
def test_a_tenth_of_bad_nodes_does_not_hide_a_peer(kind: type) -> None:
    async def searching(world: World) -> None:
        await world.dht(270)
        bad = await world.settle(world.hosts(30), kind)
        assert await announced_and_searched(world, InfoHash(1 << 150)) == 1
        assert any(each.asked for each in bad)

    study.run(searching)


def test_sybils_all_around_a_target_and_bound_by_nothing_are_asked_more_than_anybody() -> None:
    async def searching(world: World) -> None:
        target = InfoHash(world.rng("target").getrandbits(160))
        population = await world.dht(300)
        attackers = await world.settle(world.hosts(16), sybils(), near(target, 30, world.rng("attack")))
        assert {each.contact for each in population.closest(target)} <= {each.contact for each in attackers}
        await announced_and_searched(world, target)
        assert sum(each.asked for each in attackers) >= K

    study.run(searching)


def test_who_is_bound_to_its_address_comes_no_nearer_than_its_eight_prefixes_allow() -> None:
    rng = Random(1)
    target = rng.getrandbits(160)
    free, bound = near(target, 40, rng)("99.1.2.3"), valid_near(target, rng)("99.1.2.3")
    assert is_valid_id(bound, "99.1.2.3")
    assert not is_valid_id(free, "99.1.2.3")
    assert free ^ target < bound ^ target
