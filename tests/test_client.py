"""A client's downloads come and go at any moment, in any order."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from magnetite.download import Progress
from magnetite.endpoint import Endpoint
from magnetite.errors import MagnetiteError, Reason, StorageError
from magnetite.events import (
    ChecksFinished,
    DownloadCompleted,
    DownloadFailed,
    Event,
    MetadataFetched,
    PieceVerified,
)
from magnetite.opening import open_client
from magnetite.simnet import Fabric, Link
from magnetite.storage.memory import MemoryStorage
from magnetite.torrent.selection import FileSelection
from tests.swarm.swarms import PORT, client_at, content, stored, torrent_of, using
from tests.torrent.samples import multi

MiB = 1 << 20


async def test_a_download_that_never_began_ends_with_its_client(fabric: Fabric) -> None:
    metainfo = torrent_of(content(100_000))
    async with client_at(fabric, "10.0.0.1") as client:
        download = await client.add(metainfo, storage=using(MemoryStorage(metainfo)))
    with trio.fail_after(1):
        await download.ended.wait()
        with pytest.raises(MagnetiteError):
            await download.completed()
        await download.remove()
        with pytest.raises(trio.BrokenResourceError):
            await client.add(torrent_of(content(1)))


async def test_a_torrent_added_while_it_is_being_removed_begins_anew(fabric: Fabric) -> None:
    data = content(100_000)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1") as client, trio.open_nursery() as nursery:
        first = await client.add(metainfo, storage=using(SlowToFlush(metainfo)))
        await trio.sleep(1)
        nursery.start_soon(first.remove)
        await trio.sleep(1)
        second = await client.add(metainfo, storage=using(await stored(metainfo, data)))
        assert first is not second
        with trio.fail_after(10):
            await second.completed()
        assert client.downloads == {metainfo.info_hash: second}


@pytest.mark.real_clock
async def test_a_torrent_added_twice_at_the_same_moment_is_one_download(tmp_path: Path) -> None:
    metainfo = torrent_of(content(100_000))
    downloads = []
    async with open_client(port=0, bind="127.0.0.1", dht=False, state=tmp_path) as client:

        async def add() -> None:
            downloads.append(await client.add(metainfo, into=tmp_path))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(add)
        assert len(set(downloads)) == 1
        await downloads[0].remove()
        assert not client.downloads


@pytest.mark.real_clock
async def test_an_empty_file_selected_when_the_rest_is_complete_is_made(tmp_path: Path) -> None:
    metainfo, data = multi({"a": 25_000, "empty": 0})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(data)
    async with open_client(port=0, bind="127.0.0.1", dht=False) as client:
        download = await client.add(metainfo, into=tmp_path, files=FileSelection(((0, 0),)))
        await download.completed()
        assert not (tmp_path / "folder" / "empty").exists()
        download.select(FileSelection())
        with trio.fail_after(5):
            while not (tmp_path / "folder" / "empty").exists():  # noqa: ASYNC110  # files tell nobody
                await trio.sleep(0.01)


async def test_a_torrent_is_added_removed_and_added_again_many_times(fabric: Fabric) -> None:
    data = content(300_000)
    metainfo = torrent_of(data)
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2") as leech:
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        for pause in [0, 0, 0.01, 0.05, 0.09, 0.13, 0.2, 1, 61, 0.2]:
            download = await leech.add(
                str(metainfo.info_hash), storage=using(MemoryStorage(metainfo)), peers=[("10.0.0.1", PORT)]
            )
            await trio.sleep(pause)
            await download.remove()
            assert not leech.downloads
        download = await leech.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.0.1", PORT)])
        with trio.fail_after(70):
            await download.completed()


class SlowToFlush(MemoryStorage):
    async def flush(self) -> None:
        await trio.sleep(5)


class Broken(MemoryStorage):
    """A storage one method of which fails for good."""

    def __init__(self, metainfo, method: str) -> None:
        super().__init__(metainfo)

        async def fail(*args: object) -> None:
            await trio.lowlevel.checkpoint()
            raise StorageError(f"{method} failed", Reason.FILES_IN_THE_WAY)

        setattr(self, method, fail)


@pytest.mark.parametrize("method", ["stats", "verify", "commit", "flush"])
async def test_a_storage_that_fails_ends_the_download_with_that_error_once(fabric: Fabric, method: str) -> None:
    data = content(300_000)
    metainfo = torrent_of(data)
    events: list[Event] = []
    broken = Broken(metainfo, method)
    broken._present = 1 if method == "verify" else 0
    async with client_at(fabric, "10.0.0.1") as seed, client_at(fabric, "10.0.0.2", observe=events.append) as leech:
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        download = await leech.add(metainfo, storage=using(broken), peers=[("10.0.0.1", PORT)])
        with trio.fail_after(60), pytest.raises(StorageError, match=f"{method} failed"):
            await download.completed()
        assert not leech.downloads
        assert sum(isinstance(event, DownloadFailed) for event in events) == 1
        await trio.sleep(1)
        again = await leech.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.0.1", PORT)])
        with trio.fail_after(100):
            await again.completed()


async def test_a_storage_that_cannot_be_opened_ends_the_download_with_that_error_once(fabric: Fabric) -> None:
    metainfo = torrent_of(content(300_000))
    events: list[Event] = []

    @asynccontextmanager
    async def unopenable(metainfo, wanted):
        await trio.sleep(1)
        raise StorageError("no")
        yield

    async with client_at(fabric, "10.0.0.2", observe=events.append) as leech:
        download = await leech.add(metainfo, storage=unopenable)
        with trio.fail_after(60), pytest.raises(StorageError, match="no"):
            await download.completed()
        assert sum(isinstance(event, DownloadFailed) for event in events) == 1


@pytest.mark.parametrize("said", [0, 1, 30, 60, 68, 75])
async def test_a_client_is_left_while_callers_shake_hands(fabric: Fabric, said: int) -> None:
    metainfo = torrent_of(content(300_000))
    tasks = trio.lowlevel.current_statistics().tasks_living
    host, caller = fabric.host("10.0.0.1"), fabric.host("10.0.0.2")
    greeting = b"\x13BitTorrent protocol" + bytes(8) + bytes(metainfo.info_hash) + b"-PU0001-puppetpuppet" + bytes(8)
    streams = []
    async with client_at(host, "10.0.0.1") as client:
        await client.add(metainfo, storage=using(MemoryStorage(metainfo)))
        for _ in range(5):
            streams.append(await caller.connect(Endpoint("10.0.0.1", PORT)))
            await streams[-1].send_all(greeting[:said] or greeting[:1])
        await trio.sleep(0.021)
    assert not host.streams
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    for stream in streams:
        with trio.fail_after(1):
            while await stream.receive_into(bytearray(100)):
                pass


async def test_what_a_crowd_reports_adds_up(fabric: Fabric) -> None:
    """Progress is sane at every moment, each event of a kind comes once, and what one sends another gets."""
    data = content(2 * MiB)
    metainfo = torrent_of(data, piece_length=1 << 16)
    link = Link(up=MiB, down=2 * MiB)
    ips = [f"10.0.0.{n}" for n in range(1, 6)]
    events: dict[str, list[Event]] = {ip: [] for ip in ips}
    progress: list[Progress] = []
    async with trio.open_nursery() as nursery:
        downloads = {}

        async def run(ip: str) -> None:
            async with client_at(fabric, ip, link=link, observe=events[ip].append) as client:
                storage = await stored(metainfo, data) if ip == ips[0] else MemoryStorage(metainfo)
                peers = [(other, PORT) for other in ips if other != ip]
                downloads[ip] = await client.add(str(metainfo.info_hash), storage=using(storage), peers=peers)
                if ip == ips[0]:
                    await downloads[ip].remove()
                    downloads[ip] = await client.add(metainfo, storage=using(storage), peers=peers)
                await downloads[ip].completed()
                await trio.sleep_forever()

        for ip in ips:
            nursery.start_soon(run, ip)
        with trio.fail_after(120):
            while len(downloads) < 5 or not all(download.progress().is_complete for download in downloads.values()):
                progress += [download.progress() for download in downloads.values()]
                await trio.sleep(0.05)
        await trio.sleep(1)
        last = [download.progress() for download in downloads.values()]
        nursery.cancel_scope.cancel()
    for p in progress:
        assert 0 <= p.present <= (p.length or 0)
        assert p.pieces_present <= (p.pieces or 0)
        assert p.pieces_checked <= p.pieces_to_check
        assert 0 <= p.dialling <= 4
        assert p.copies <= p.peers <= 4
    assert [(p.present, p.pieces_present) for p in last] == [(len(data), metainfo.piece_count)] * 5
    assert sum(p.uploaded for p in last) >= sum(p.downloaded for p in last) >= 4 * len(data)
    assert sum(p.downloaded for p in last) < 5 * len(data)
    for ip in ips[1:]:
        for kind in (MetadataFetched, ChecksFinished, DownloadCompleted):
            assert sum(isinstance(event, kind) for event in events[ip]) == 1
        assert sorted(e.piece for e in events[ip] if isinstance(e, PieceVerified)) == list(range(metainfo.piece_count))
        kinds = [event.kind for event in events[ip]]
        assert kinds.count("peer_connected") == kinds.count("peer_closed")
