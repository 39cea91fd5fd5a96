"""Clients on real sockets and real files: what a second start trusts, and what it looks at again."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio

from magnetite.client import Client
from magnetite.download import Download
from magnetite.errors import Reason, StorageError
from magnetite.events import ChecksFinished, DownloadFailed, Event, PieceVerified
from magnetite.opening import open_client
from magnetite.storage.create import create_torrent
from magnetite.storage.files import THREADS
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.selection import parse_selection
from tests.swarm.swarms import content, until

pytestmark = pytest.mark.real_clock
PIECE = 1 << 15


def a_client(state: Path | None = None, events: list[Event] | None = None) -> AbstractAsyncContextManager[Client]:
    observe = events.append if events is not None else None
    return open_client(port=0, bind="127.0.0.1", dht=False, state=state, observe=observe, dial_rate=1000)


@asynccontextmanager
async def seeding(folder: Path, files: dict[str, bytes]) -> AsyncIterator[tuple[Client, Metainfo]]:
    """A client that has a torrent `sample` of the files, made below `folder`."""
    for name, data in files.items():
        path = folder / "sample" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    created = await create_torrent(folder / "sample", piece_length=PIECE)
    async with a_client() as client:
        await (await client.add(created.metainfo, into=folder, resume=created.resume)).completed()
        yield client, created.metainfo


def verified(events: list[Event]) -> set[int]:
    return {event.piece for event in events if isinstance(event, PieceVerified)}


def resources() -> tuple[int, int, bool]:
    """File descriptors, tasks, and whether there are threads beside those of the two clients."""
    threads = sum(1 for thread in threading.enumerate() if thread.name.startswith("magnetite"))
    return len(os.listdir("/proc/self/fd")), trio.lowlevel.current_statistics().tasks_living, threads > 2 * THREADS


def opened_below(folder: Path) -> list[str]:
    """What this process has open there."""
    with os.scandir("/proc/self/fd") as descriptors:
        targets = [os.readlink(each.path) for each in descriptors if os.path.exists(each.path)]
    return [target for target in targets if target.startswith(str(folder))]


async def some_pieces(download: Download, count: int) -> None:
    await until(lambda: download.progress().pieces_present >= count)


async def test_a_second_start_fetches_only_what_the_first_did_not(tmp_path: Path) -> None:
    files = {"a.bin": content(3_000_000), "b/c.bin": content(2_000_000, seed=2)}
    async with seeding(tmp_path / "seed", files) as (seed, metainfo):
        peers, into, state = [("127.0.0.1", seed.port)], tmp_path / "leech", tmp_path / "state"
        first: list[Event] = []
        async with a_client(state, first) as client:
            download = await client.add(str(metainfo.info_hash), into=into, peers=peers)
            await some_pieces(download, 20)
        assert 20 <= len(verified(first)) < metainfo.piece_count
        second: list[Event] = []
        async with a_client(state, second) as client:
            await (await client.add(str(metainfo.info_hash), into=into, peers=peers)).completed()
        checks = [event for event in second if isinstance(event, ChecksFinished)]
        assert [event.pieces_present for event in checks] == [len(verified(first))]
        assert verified(first) | verified(second) == set(range(metainfo.piece_count))
        assert not verified(first) & verified(second)
    for name, data in files.items():
        assert (into / "sample" / name).read_bytes() == data


async def test_a_file_that_was_changed_between_two_starts_is_checked_and_repaired(tmp_path: Path) -> None:
    files = {"a.bin": content(500_000), "b.bin": content(400_000, seed=2)}
    async with seeding(tmp_path / "seed", files) as (seed, metainfo):
        peers, into, state = [("127.0.0.1", seed.port)], tmp_path / "leech", tmp_path / "state"
        async with a_client(state) as client:
            await (await client.add(metainfo, into=into, peers=peers)).completed()
        changed = into / "sample" / "b.bin"
        changed.write_bytes(bytes(10) + changed.read_bytes()[10:])
        os.utime(changed, (1, 1))
        events: list[Event] = []
        async with a_client(state, events) as client:
            await (await client.add(metainfo, into=into, peers=peers)).completed()
        boundary = 500_000 // PIECE
        assert verified(events) == {boundary}
        [checks] = [event for event in events if isinstance(event, ChecksFinished)]
        assert checks.pieces_checked == metainfo.piece_count - boundary
    for name, data in files.items():
        assert (into / "sample" / name).read_bytes() == data


async def test_a_file_that_was_deleted_between_two_starts_is_fetched_again(tmp_path: Path) -> None:
    files = {"a.bin": content(500_000), "b.bin": content(400_000, seed=2)}
    async with seeding(tmp_path / "seed", files) as (seed, metainfo):
        peers, into, state = [("127.0.0.1", seed.port)], tmp_path / "leech", tmp_path / "state"
        async with a_client(state) as client:
            await (await client.add(metainfo, into=into, peers=peers)).completed()
        (into / "sample" / "a.bin").unlink()
        async with a_client(state) as client:
            download = await client.add(metainfo, into=into, peers=peers)
            await download.completed()
            assert download.progress().present == download.progress().length == metainfo.length
    for name, data in files.items():
        assert (into / "sample" / name).read_bytes() == data


async def test_only_the_wanted_files_are_fetched_and_more_of_them_later(tmp_path: Path) -> None:
    files = {f"{n}.bin": content(4 * PIECE, seed=n) for n in range(4)} | {"empty.txt": b"", "other-empty.txt": b""}
    async with seeding(tmp_path / "seed", files) as (seed, metainfo):
        peers, into, state = [("127.0.0.1", seed.port)], tmp_path / "leech", tmp_path / "state"
        wanted = parse_selection("1.bin", "empty.txt")
        async with a_client(state) as client:
            download = await client.add(metainfo, into=into, peers=peers, files=wanted)
            await download.completed()
            assert download.progress().length == download.progress().present == 4 * PIECE
        assert sorted(path.name for path in (into / "sample").iterdir()) == ["1.bin", "empty.txt"]
        events: list[Event] = []
        async with a_client(state, events) as client:
            await (await client.add(metainfo, into=into, peers=peers, files=parse_selection("1.bin", "3*"))).completed()
        assert verified(events) == set(range(12, 16))
        async with a_client(state) as client:
            await (await client.add(metainfo, into=into, peers=peers)).completed()
    for name, data in files.items():
        assert (into / "sample" / name).read_bytes() == data
    assert not list(into.rglob("*.part"))


async def test_a_piece_shared_with_an_unwanted_file_leaves_that_file_partial_until_it_is_wanted(tmp_path: Path) -> None:
    files = {"a.bin": content(PIECE + 100), "b.bin": content(PIECE, seed=2)}
    async with seeding(tmp_path / "seed", files) as (seed, metainfo):
        peers, into, state = [("127.0.0.1", seed.port)], tmp_path / "leech", tmp_path / "state"
        async with a_client(state) as client:
            await (await client.add(metainfo, into=into, peers=peers, files=parse_selection("a.bin"))).completed()
        assert sorted(path.name for path in (into / "sample").iterdir()) == ["a.bin", "b.bin.part"]
        async with a_client(state) as client:
            await (await client.add(metainfo, into=into, peers=peers)).completed()
        assert sorted(path.name for path in (into / "sample").iterdir()) == ["a.bin", "b.bin"]
    assert (into / "sample" / "b.bin").read_bytes() == files["b.bin"]


async def test_a_folder_in_the_way_ends_the_download_with_one_error(tmp_path: Path) -> None:
    async with seeding(tmp_path / "seed", {"a.bin": content(100_000)}) as (seed, metainfo):
        (tmp_path / "leech" / "sample" / "a.bin").mkdir(parents=True)
        events: list[Event] = []
        async with a_client(events=events) as client:
            download = await client.add(metainfo, into=tmp_path / "leech", peers=[("127.0.0.1", seed.port)])
            with pytest.raises(StorageError):
                await download.completed()
            assert not opened_below(tmp_path / "leech")  # though the error, and where it came from, is kept
            assert download.error is not None
            assert download.error.reason is Reason.FILES_IN_THE_WAY
        assert sum(isinstance(event, DownloadFailed) for event in events) == 1


async def test_state_that_cannot_be_saved_ends_the_download_with_one_error(tmp_path: Path) -> None:
    async with seeding(tmp_path / "seed", {"a.bin": content(300_000)}) as (seed, metainfo):
        state = tmp_path / "state"
        state.mkdir()
        events: list[Event] = []
        async with a_client(state, events) as client:
            download = await client.add(metainfo, into=tmp_path / "leech", peers=[("127.0.0.1", seed.port)])
            (state / "resume").write_text("not a folder")
            with pytest.raises(StorageError, match=r"the state folder: .*resume"):
                await download.completed()
            assert not client.downloads
            with pytest.raises(StorageError, match="resume"):
                await client.add(metainfo, into=tmp_path / "leech")
        assert sum(isinstance(event, DownloadFailed) for event in events) == 1


@pytest.mark.parametrize("pieces", [0, 1, 5, 20, 61])
async def test_removing_a_download_at_any_moment_leaves_no_descriptor_thread_or_task(
    tmp_path: Path, pieces: int
) -> None:
    async with seeding(tmp_path / "seed", {"a.bin": content(2_000_000)}) as (seed, metainfo):
        peers = [("127.0.0.1", seed.port)]
        async with a_client() as client:  # so that the seed has its file open
            await (await client.add(metainfo, into=tmp_path / "elsewhere", peers=peers)).completed()
        async with a_client(tmp_path / "state") as client:
            with trio.fail_after(5):
                await until(lambda: not seed.downloads[metainfo.info_hash].progress().peers)
            before = resources()
            for wait_for in (pieces, 0):
                download = await client.add(str(metainfo.info_hash), into=tmp_path / "leech", peers=peers)
                await some_pieces(download, wait_for)
                await download.remove()
                assert not client.downloads
                with trio.fail_after(5):
                    await until(lambda: resources() == before)  # the seed's side of the connection ends a moment later
