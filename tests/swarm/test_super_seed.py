"""Whom a super-seed shows what, and that a swarm of them costs it hardly more than one copy."""

from __future__ import annotations

from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from magnetite.events import Event, PeerClosed
from magnetite.simnet import Fabric, Link
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.availability import Availability
from magnetite.swarm.super_seed import PATIENCE, SuperSeed
from magnetite.torrent.pieces import everything
from magnetite.wire.messages import (
    Block,
    BlockRequest,
    Have,
    HaveAll,
    HaveNone,
    Interested,
    Message,
    Reject,
    Request,
    Unchoke,
)
from tests.swarm.swarms import PORT, client_at, content, dial, stored, torrent_of, until, using

COUNT = 12
ALL = everything(COUNT)


class Crowd:
    """Peers by name, what they have, and what they were shown; those of `choked` are not served."""

    def __init__(self, seed: int = 1) -> None:
        self.availability = Availability(ALL)
        self.choked: set[str] = set()
        self.seed = SuperSeed[str](ALL, Random(seed), lambda peer: peer not in self.choked)
        self.has: dict[str, int] = {}

    def join(self, peer: str, has: int = 0) -> int | None:
        self.has[peer] = has
        self.availability.add(has)
        return self.seed.show(peer, has, self.availability)

    def get(self, peer: str, piece: int) -> list[str]:
        """The peer has got a piece: whose turn it is now."""
        self.has[peer] |= 1 << piece
        self.availability.add(1 << piece)
        holders = self.seed.on_pieces(peer, 1 << piece)
        return [other for other in holders if self.seed.is_passed_on(other, self.has[other], self.availability)]

    def show(self, peer: str) -> int | None:
        return self.seed.show(peer, self.has[peer], self.availability)

    def leave(self, peer: str) -> None:
        self.availability.remove(self.has.pop(peer))
        self.seed.forget(peer)


def test_each_peer_is_shown_a_piece_that_nobody_was_shown() -> None:
    crowd = Crowd()
    assert {crowd.join(f"peer {n}") for n in range(COUNT)} == set(range(COUNT))


def test_when_all_were_shown_it_is_a_rare_one_and_never_one_that_the_peer_has() -> None:
    crowd = Crowd()
    shown = [crowd.join(f"peer {n}", ALL & ~0b11) for n in range(COUNT)]
    assert set(shown[:2]) == {0, 1}
    crowd.leave("peer 0")
    crowd.leave("peer 1")
    assert {crowd.join(f"late {n}") for n in range(2)} == {0, 1}
    assert crowd.join("seed", ALL) is None


def test_what_somebody_is_about_to_pass_on_is_shown_to_nobody_else() -> None:
    crowd = Crowd()
    for n in range(COUNT):
        crowd.join(f"peer {n}")
    assert crowd.join("late") is None
    assert crowd.seed.due(100) == ["late"], "it waits"
    piece = crowd.seed.current("peer 3")
    crowd.leave("peer 3")
    assert crowd.show("late") == piece, "now nobody else will pass it on"
    assert crowd.seed.due(101) == []


def test_what_was_shown_to_somebody_who_cannot_fetch_it_is_shown_to_others() -> None:
    crowd = Crowd()
    crowd.choked = {"peer 3"}
    for n in range(COUNT):
        crowd.join(f"peer {n}")
    assert crowd.join("late") == crowd.seed.current("peer 3")


def test_what_is_not_passed_on_for_long_is_shown_to_others() -> None:
    crowd = Crowd()
    for n in range(COUNT):
        crowd.join(f"peer {n}")
    crowd.seed.due(100)
    assert crowd.join("late") is None
    crowd.seed.due(100 + PATIENCE)
    assert crowd.show("late") is not None


def test_what_several_have_is_shown_to_those_alone_whom_others_give_nothing() -> None:
    crowd = Crowd()
    for n in range(COUNT):
        crowd.join(f"peer {n}")
    crowd.join("helped")
    crowd.join("alone")
    for piece in range(COUNT):
        crowd.get("helped" if piece == 0 else "peer 0", piece)
        crowd.get("peer 1", piece)
    for peer in range(COUNT):
        crowd.seed.forget(f"peer {peer}")
    assert crowd.show("helped") is None
    assert crowd.show("alone") is not None
    crowd.seed.due(100)
    assert crowd.show("helped") is None, "others will go on to give it something"
    crowd.seed.due(100 + PATIENCE)
    assert crowd.show("helped") is not None


def test_the_next_piece_is_shown_when_somebody_else_has_this_one() -> None:
    crowd = Crowd()
    piece = crowd.join("a")
    crowd.join("b")
    assert piece is not None
    assert crowd.get("a", piece) == []
    assert crowd.get("b", piece) == ["a"]
    assert crowd.show("a") not in (None, piece)


def test_a_peer_need_not_tell_us_what_we_have_shown_it_ourselves() -> None:
    crowd = Crowd()
    piece = crowd.join("a")
    crowd.join("b")
    assert piece is not None
    assert crowd.get("b", piece) == ["a"]


def test_a_lone_peer_need_not_wait_for_others() -> None:
    crowd = Crowd()
    piece, got = crowd.join("a"), 0
    while piece is not None:
        assert crowd.get("a", piece) == ["a"]
        piece, got = crowd.show("a"), got + 1
    assert got == COUNT


def test_who_passes_nothing_on_is_overdue_after_a_while_and_not_again_at_once() -> None:
    crowd = Crowd()
    crowd.join("a")
    crowd.join("b")
    assert crowd.seed.due(100) == []
    assert crowd.seed.due(100 + PATIENCE) == ["a", "b"]
    crowd.show("a")
    crowd.seed.forget("b")
    assert crowd.seed.due(100 + PATIENCE) == []
    assert crowd.seed.due(101 + PATIENCE) == ["a"], "alone it waits no longer"


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=60), st.integers(0, 99))
def test_what_a_crowd_passes_on_is_never_shown_to_one_that_has_it(trades: list[tuple[str, str]], chance: int) -> None:
    crowd = Crowd(chance)
    for peer in "abcd":
        crowd.join(peer)
    for giver, taker in trades:
        current = crowd.seed.current(giver)
        if current is not None and not crowd.has[taker] >> current & 1:
            for peer in crowd.get(taker, current):
                shown = crowd.show(peer)
                assert shown is None or not crowd.has[peer] >> shown & 1


def test_nothing_is_shown_twice_to_a_peer_that_does_not_tell_what_it_has() -> None:
    crowd = Crowd()
    shown = [crowd.join("a"), *(crowd.show("a") for _ in range(COUNT))]
    assert set(shown[:COUNT]) == set(range(COUNT))
    assert shown[COUNT] is None
    assert crowd.seed.current("a") is None


# -- on the wire -----------------------------------------------------------------------------------------------------


async def test_a_super_seed_says_it_has_nothing_and_names_one_piece_after_the_other(fabric: Fabric) -> None:
    data = content(12 << 15)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1") as seed:
        download = await seed.add(metainfo, storage=using(await stored(metainfo, data)), super_seed=True)
        await download.completed()
        a = await dial(fabric.host("10.0.1.1"), "10.0.0.1", metainfo.info_hash)
        b = await dial(fabric.host("10.0.1.2"), "10.0.0.1", metainfo.info_hash)
        await a.next(HaveNone)
        await b.next(HaveNone)
        first, other = await a.next(Have), await b.next(Have)
        assert first != other
        await b.say(HaveNone(), first)
        with trio.fail_after(1):
            second = await a.next(Have)
        assert second not in (first, other)
        assert _told(a.heard) == [first, second]
        assert _told(b.heard) == [other]
        assert not any(isinstance(message, HaveAll) for message in a.heard + b.heard)


async def test_a_peer_that_has_what_it_is_shown_already_is_shown_another_at_once(fabric: Fabric) -> None:
    data = content(4 << 15)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1") as seed:
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)), super_seed=True)).completed()
        await dial(fabric.host("10.0.1.2"), "10.0.0.1", metainfo.info_hash)
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.1", metainfo.info_hash)
        first = await puppet.next(Have)
        await puppet.say(HaveNone(), first)
        with trio.fail_after(1):
            await puppet.next(Have)


async def test_what_a_peer_was_not_shown_it_is_refused_and_what_it_was_shown_it_may_have(fabric: Fabric) -> None:
    data = content(4 << 15)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1") as seed:
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)), super_seed=True)).completed()
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.1", metainfo.info_hash)
        shown = (await puppet.next(Have)).piece
        await puppet.say(Interested())
        await puppet.next(Unchoke)
        hidden = BlockRequest((shown + 1) % 4, 0, 1000)
        await puppet.say(Request(hidden), Request(BlockRequest(shown, 0, 1000)))
        assert await puppet.next(Reject) == Reject(hidden)
        assert (await puppet.next(Block)).piece == shown


async def test_a_super_seed_that_has_checked_its_files_does_not_tell_what_it_has(fabric: Fabric) -> None:
    data = content(4 << 15)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1") as seed:
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)), super_seed=True)).completed()
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.1", metainfo.info_hash)
        await puppet.next(Have)
        exchange = seed._swarms[metainfo.info_hash].exchange
        exchange.doubt(0b1111)
        for piece in range(4):
            exchange.restore(piece)
        with trio.move_on_after(0.5):
            await puppet.next(Have)
        assert len(_told(puppet.heard)) == 1


async def test_a_lone_leech_is_shown_one_piece_after_the_other_without_delay(fabric: Fabric) -> None:
    data = content(40 << 15)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)), super_seed=True)).completed()
        download = await leech.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.0.1", PORT)])
        with trio.fail_after(10):
            await download.completed()


async def test_whom_nobody_else_gives_anything_is_served_without_delay(fabric: Fabric) -> None:
    """Others have it all, but cannot be reached."""
    data = content(40 << 15)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)), super_seed=True)).completed()
        for ip in ("10.0.1.1", "10.0.1.2"):
            await (await dial(fabric.host(ip), "10.0.0.1", metainfo.info_hash)).say(HaveAll())
        await trio.sleep(1)
        download = await leech.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.0.1", PORT)])
        with trio.fail_after(10):
            await download.completed()


async def test_a_download_that_is_not_whole_does_not_super_seed(fabric: Fabric) -> None:
    data = content(4 << 15)
    metainfo = torrent_of(data)
    storage = MemoryStorage(metainfo)
    await storage.commit([(0, data[: 1 << 15])])
    async with client_at(fabric, "10.0.0.1") as client:
        download = await client.add(metainfo, storage=using(storage), super_seed=True)
        await trio.sleep(1)
        assert download.progress().pieces_present == 1
        puppet = await dial(fabric.host("10.0.1.1"), "10.0.0.1", metainfo.info_hash, fast=False)
        with trio.move_on_after(5):
            await puppet.next(Have)
        assert not _told(puppet.heard)


def _told(messages: list[Message]) -> list[Have]:
    return [message for message in messages if isinstance(message, Have)]


@pytest.mark.parametrize(("super_seed", "draw"), [(True, 0), (True, 1), (True, 2), (True, 3), (False, 0)])
async def test_a_crowd_is_whole_after_the_super_seed_has_sent_little_more_than_one_copy(
    fabric: Fabric, super_seed: bool, draw: int
) -> None:
    """BEP 16 has "only 105% of the data"; a usual seed sends "150% to 200%"."""
    data = content(64 << 15)
    metainfo = torrent_of(data)
    slow, fast = Link(up=200_000, down=2_000_000), Link(up=2_000_000, down=2_000_000)
    leechers = [f"10.0.{draw}.{n}" for n in range(2, 10)]  # the address is what a client draws its chance from
    events: list[Event] = []
    async with trio.open_nursery() as nursery:
        seed_ready = trio.Event()
        sent: list[float] = []

        async def share() -> None:
            async with client_at(fabric, "10.0.0.1", link=slow, observe=events.append) as seed:
                download = await seed.add(metainfo, storage=using(await stored(metainfo, data)), super_seed=super_seed)
                await download.completed()
                seed_ready.set()
                while True:
                    sent.append(download.progress().uploaded / len(data))
                    await trio.sleep(1)

        async def fetch(ip: str, done: dict[str, float]) -> None:
            async with client_at(fabric, ip, link=fast) as client:
                peers = [("10.0.0.1", PORT), *((other, PORT) for other in leechers if other != ip)]
                download = await client.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=peers)
                await download.completed()
                done[ip] = trio.current_time()
                await trio.sleep_forever()

        done: dict[str, float] = {}
        nursery.start_soon(share)
        await seed_ready.wait()
        for ip in leechers:
            nursery.start_soon(fetch, ip, done)
        with trio.fail_after(600):
            await until(lambda: len(done) == len(leechers))
        nursery.cancel_scope.cancel()
    if super_seed:
        assert sent[-1] < 1.1
    else:
        assert sent[-1] < 1.5  # for it suggests to each what it has suggested to nobody else
    lost = [event for event in events if isinstance(event, PeerClosed) and event.detail]
    assert not [event for event in lost if event.time < done[event.endpoint.ip]], "who is whole parts with us"
