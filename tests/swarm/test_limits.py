"""Rate limits, pauses and selections of a running download, between clients on a virtual network."""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import pairwise

import pytest
import trio

from magnetite.dht.schedule import ANNOUNCE_INTERVAL, SEEDS_A_SECOND, SEEDS_AT_ONCE
from magnetite.errors import LocalProtocolError, Reason
from magnetite.events import Event, LookupStarted, TorrentPaused, TorrentResumed
from magnetite.ids import InfoHash
from magnetite.simnet import Fabric
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.throttle import Limits
from magnetite.torrent.create import encode_info
from magnetite.torrent.metainfo import decode_info
from magnetite.torrent.selection import FileSelection
from tests.swarm.swarms import PORT, client_at, content, stored, torrent_of, until, using

kB = 1000
DATA = content(8_000_000)
TORRENT = torrent_of(DATA, 1 << 17)


async def rates(
    fabric: Fabric, seeds: int, seconds: float, *, seed_limits: Limits, leech_limits: Limits
) -> list[float]:
    """Bytes/s a leech gets from each of `seeds` seeds in that time, after a while to get going."""
    async with trio.open_nursery() as nursery:
        downloads = []

        async def seed(number: int, task_status) -> None:
            async with client_at(fabric, f"10.0.1.{number}", limits=seed_limits) as client:
                downloads.append(await client.add(TORRENT, storage=using(await stored(TORRENT, DATA))))
                task_status.started()
                await trio.sleep_forever()

        for number in range(seeds):
            await nursery.start(seed, number)
        async with client_at(fabric, "10.0.0.1", limits=leech_limits) as leech:
            peers = [(f"10.0.1.{number}", PORT) for number in range(seeds)]
            download = await leech.add(TORRENT, storage=using(MemoryStorage(TORRENT)), peers=peers)
            await trio.sleep(5)
            before, (total, _) = [each._swarm.exchange.totals[1] for each in downloads], download._swarm.exchange.totals
            await trio.sleep(seconds)
            after, (total_after, _) = (
                [each._swarm.exchange.totals[1] for each in downloads],
                download._swarm.exchange.totals,
            )
            assert not download.progress().is_complete
            nursery.cancel_scope.cancel()
    return [(total_after - total) / seconds, *[(b - a) / seconds for a, b in zip(before, after, strict=True)]]


@pytest.mark.parametrize("seeds", [1, 4])
async def test_a_download_keeps_within_5_percent_of_its_limit(fabric: Fabric, seeds: int) -> None:
    got, *sent = await rates(fabric, seeds, 30, seed_limits=Limits(), leech_limits=Limits(download=200 * kB))
    assert got == pytest.approx(200 * kB, rel=0.05)
    assert max(sent) < 1.5 * min(sent)


@pytest.mark.parametrize("seeds", [1, 4])
async def test_an_upload_keeps_within_5_percent_of_its_limit(fabric: Fabric, seeds: int) -> None:
    got, *sent = await rates(fabric, seeds, 30, seed_limits=Limits(upload=40 * kB), leech_limits=Limits())
    assert sent == pytest.approx([40 * kB] * seeds, rel=0.05)
    assert got == pytest.approx(40 * kB * seeds, rel=0.05)


async def test_those_who_download_from_one_limited_seed_get_the_same(fabric: Fabric) -> None:
    async with trio.open_nursery() as nursery:

        async def leech(number: int) -> None:
            async with client_at(fabric, f"10.0.1.{number}") as client:
                storage = using(MemoryStorage(TORRENT))
                await client.add(TORRENT, storage=storage, peers=[("10.0.0.1", PORT)])
                await trio.sleep_forever()

        async with client_at(fabric, "10.0.0.1", limits=Limits(upload=200 * kB)) as seed:
            shared = await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
            for number in range(4):
                nursery.start_soon(leech, number)
            await trio.sleep(35)
            sent = [peer.uploaded.total / 35 for peer in shared._swarm.exchange.peers]
            nursery.cancel_scope.cancel()
    assert sum(sent) == pytest.approx(200 * kB, rel=0.05)
    assert max(sent) < 1.1 * min(sent)


async def test_limits_of_a_torrent_and_of_the_client_can_be_set_and_taken_away_while_it_runs(fabric: Fabric) -> None:
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        download = await leech.add(TORRENT, storage=using(MemoryStorage(TORRENT)))
        download.limit(download=100 * kB)
        await leech.add(TORRENT, peers=[("10.0.0.1", PORT)])
        await trio.sleep(12)
        assert download.progress().download_rate == pytest.approx(100 * kB, rel=0.1)
        assert "Slowest is the download limit of 100 kB/s." in download.explain()
        download.limit()
        leech.limit(download=200 * kB)
        await trio.sleep(12)
        assert download.progress().download_rate == pytest.approx(200 * kB, rel=0.1)
        leech.limit()
        with trio.fail_after(5):
            await download.completed()


async def test_a_paused_download_asks_for_nothing_and_goes_on_with_its_peers_when_it_is_resumed(fabric: Fabric) -> None:
    events: list[Event] = []
    limits = Limits(upload=200 * kB)
    async with (
        client_at(fabric, "10.0.0.1", limits=limits) as seed,
        client_at(fabric, "10.0.0.2", observe=events.append) as leech,
    ):
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        download = await leech.add(TORRENT, storage=using(MemoryStorage(TORRENT)), peers=[("10.0.0.1", PORT)])
        await trio.sleep(5)
        download.pause()
        download.pause()
        await trio.sleep(25)  # what was asked for still comes
        before = download.progress()
        assert before.paused == (Reason.PAUSED_BY_USER, "")
        await trio.sleep(60)
        progress = download.progress()
        assert progress.downloaded == before.downloaded
        assert progress.peers == 1
        assert download.explain()[0] == "It is paused: paused by the user."
        download.resume()
        download.resume()
        seed.limit()
        with trio.fail_after(15):
            await download.completed()
    assert [type(event) for event in events if isinstance(event, TorrentPaused | TorrentResumed)] == [
        TorrentPaused,
        TorrentResumed,
    ]


async def test_a_paused_seed_serves_nothing_until_it_is_resumed(fabric: Fabric) -> None:
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        shared = await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        shared.pause()
        download = await leech.add(TORRENT, storage=using(MemoryStorage(TORRENT)), peers=[("10.0.0.1", PORT)])
        await trio.sleep(30)
        assert download.progress().downloaded == 0
        assert download.progress().peers == 1
        assert any("choke us" in sentence for sentence in download.explain())
        shared.resume()
        with trio.fail_after(15):
            await download.completed()


FILES = decode_info(
    encode_info(
        [(("folder", "a"), 3_000_000), (("folder", "b"), 3_000_000), (("folder", "c"), 2_000_000)],
        1 << 17,
        b"".join(TORRENT.piece_hash(piece) for piece in range(TORRENT.piece_count)),
    )
)


async def test_files_selected_and_left_out_while_it_runs(fabric: Fabric) -> None:
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        await seed.add(FILES, storage=using(await stored(FILES, DATA)))
        download = await leech.add(
            str(FILES.info_hash),
            storage=using(MemoryStorage(FILES)),
            files=FileSelection(((0, 0),)),
            peers=[("10.0.0.1", PORT)],
        )
        with trio.fail_after(30):
            await download.completed()
        assert download.progress().pieces_present == 23
        download.select(FileSelection(((0, 1),)))
        assert not download.progress().is_complete
        with trio.fail_after(70):
            await download.completed()
        assert download.progress().pieces_present == 46
        leech.limit(download=20 * kB)
        download.select(FileSelection())
        await trio.sleep(70)
        assert 46 < download.progress().pieces_present < 62
        download.select(FileSelection(((1, 1),)))
        with trio.fail_after(1):
            await download.completed()
        with pytest.raises(LocalProtocolError, match="no file"):
            download.select(FileSelection(((7, 9),)))
        leech.limit()
        download.select(FileSelection())
        with trio.fail_after(130):
            await download.completed()
        assert download.progress().pieces_present == FILES.piece_count


async def test_a_selection_made_before_the_metadata_is_known_counts(fabric: Fabric) -> None:
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        download = await leech.add(str(FILES.info_hash), storage=using(MemoryStorage(FILES)))
        download.select(FileSelection(((2, 2),)))
        await seed.add(FILES, storage=using(await stored(FILES, DATA)))
        await leech.add(str(FILES.info_hash), peers=[("10.0.0.1", PORT)])
        with trio.fail_after(30):
            await download.completed()
        await until(lambda: download.progress().is_complete)
        assert download.progress().pieces_present == 17


async def test_many_seeds_announce_themselves_one_after_the_other_and_a_download_need_not_wait(fabric: Fabric) -> None:
    events: list[Event] = []
    data = content(20_000)
    torrents = [torrent_of(data, 1 << 14, f"{number}.bin") for number in range(60)]
    routers = [("10.0.0.1", PORT)]
    async with AsyncExitStack() as stack:
        for number in range(1, 12):
            await stack.enter_async_context(client_at(fabric, f"10.{number}.0.1", dht=True, bootstrap=routers))
        await stack.enter_async_context(client_at(fabric, "10.0.0.1", dht=True, bootstrap=()))
        observed = client_at(fabric, "10.0.0.2", dht=True, bootstrap=routers, observe=events.append)
        client = await stack.enter_async_context(observed)
        for torrent in torrents:
            await client.add(torrent, storage=using(await stored(torrent, data)))
        await trio.sleep(5)
        wanted = await client.add("11" * 20)
        await trio.sleep(3600)

    def searches(info_hash: InfoHash) -> list[float]:
        return [event.time for event in events if isinstance(event, LookupStarted) and event.target == info_hash]

    first = sorted(searches(torrent.info_hash)[0] for torrent in torrents)
    for at in first:
        assert sum(at <= other < at + 5 for other in first) <= SEEDS_AT_ONCE + 5 * SEEDS_A_SECOND + 1
    assert first[-1] < 60
    for torrent in torrents:
        times = searches(torrent.info_hash)
        assert 5 <= len(times) <= 6
        assert all(later - earlier <= ANNOUNCE_INTERVAL + 60 for earlier, later in pairwise(times))
    assert searches(wanted.info_hash)[0] < 5.5


async def test_a_magnet_paused_before_its_metadata_is_known_fetches_it_when_it_is_resumed(fabric: Fabric) -> None:
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        download = await leech.add(str(TORRENT.info_hash), storage=using(MemoryStorage(TORRENT)))
        download.pause()
        await leech.add(str(TORRENT.info_hash), peers=[("10.0.0.1", PORT)])
        await trio.sleep(30)
        assert download.metainfo is None
        assert download.progress().peers == 0, "nobody is dialled"
        download.resume()
        with trio.fail_after(15):
            await download.completed()


async def test_peers_that_went_during_a_long_pause_are_dialled_again(fabric: Fabric) -> None:
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        download = await leech.add(TORRENT, storage=using(MemoryStorage(TORRENT)), peers=[("10.0.0.1", PORT)])
        download.limit(download=100 * kB)
        await trio.sleep(2)
        download.pause()
        download.limit()
        await trio.sleep(1000)
        assert download.progress().peers == 0
        download.resume()
        with trio.fail_after(20):
            await download.completed()
