"""A disk in trouble pauses the torrent and loses nothing; what others do to the files is noticed and mended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from magnetite.download import Download
from magnetite.errors import Reason, StorageError
from magnetite.events import ChecksFinished, Event, PeerClosed, TorrentPaused, TorrentResumed
from magnetite.hub import Observer
from magnetite.net.base import Buffer
from magnetite.simnet import Fabric
from magnetite.storage.base import FileStat, Whole
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm import commit_queue
from magnetite.swarm.disk import LOOK_EVERY, RETRY_EVERY, Disk
from magnetite.swarm.peer import IDLE_TIMEOUT
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.pieces import everything
from magnetite.torrent.pieces import of as pieces_of
from magnetite.wire.messages import Block, BlockRequest, Choke, Interested, Reject, Request, Unchoke
from tests.swarm.swarms import PORT, bytes_of, client_at, content, dial, stored, torrent_of, until, using
from tests.swarm.test_resume import PIECE, a_client, seeding, some_pieces, verified

DATA = content(400_000)
TORRENT = torrent_of(DATA)
SEED, LEECH = "10.0.0.1", "10.0.0.2"


class TroubledStorage(MemoryStorage):
    """Fails with `trouble` in the methods named by `where` as long as that is set; counts the attempts."""

    def __init__(self, metainfo: Metainfo, where: str = "commit") -> None:
        super().__init__(metainfo)
        self.trouble: StorageError | None = None
        self.room = metainfo.piece_count  # pieces until the trouble begins
        self.attempts: list[float] = []
        self._where = where
        self._mtime = 0

    def _fail(self, where: str) -> None:
        if where == self._where and self.trouble is not None and self._present.bit_count() >= self.room:
            self.attempts.append(trio.current_time())
            raise self.trouble

    async def commit(self, whole: Sequence[Whole]) -> list[bool]:
        self._fail("commit")
        return await super().commit(whole)

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        self._fail("read")
        return await super().read(piece, begin, length)

    async def flush(self) -> None:
        self._fail("flush")
        await super().flush()

    async def stats(self) -> tuple[FileStat | None, ...]:
        return tuple(stat and FileStat(stat.size, self._mtime) for stat in await super().stats())

    def lose(self, pieces: int) -> None:
        """Somebody else writes to the file."""
        self._present &= ~pieces
        self._mtime += 1


def full_disk() -> StorageError:
    return StorageError("/mnt/sample.bin.part: the disk is full; make room", Reason.DISK_FULL)


@asynccontextmanager
async def troubled(
    fabric: Fabric, observe: Observer = lambda event: None
) -> AsyncIterator[tuple[TroubledStorage, Download]]:
    """A download whose disk is full from the third piece on, and its one seed."""
    disk = TroubledStorage(TORRENT)
    disk.room, disk.trouble = 2, full_disk()
    async with client_at(fabric, SEED) as seed, client_at(fabric, LEECH, observe=observe) as leech:
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        yield disk, await leech.add(TORRENT, storage=using(disk), peers=[(SEED, PORT)])


def of_kind(events: list[Event], *kinds: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kinds)]


@pytest.mark.parametrize("where", ["commit", "flush"])
@pytest.mark.parametrize("reason", [Reason.DISK_FULL, Reason.NOT_WRITABLE, Reason.NOT_READABLE, Reason.DISK_ERROR])
async def test_trouble_pauses_and_when_it_is_over_the_download_goes_on_by_itself(
    fabric: Fabric, where: str, reason: Reason
) -> None:
    events: list[Event] = []
    disk = TroubledStorage(TORRENT, where)
    disk.room, disk.trouble = 2, StorageError("/mnt: trouble", reason)
    async with client_at(fabric, SEED) as seed, client_at(fabric, LEECH, observe=events.append) as leech:
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        download = await leech.add(TORRENT, storage=using(disk), peers=[(SEED, PORT)])
        await trio.sleep(100)
        assert download.progress().paused == (reason, "/mnt: trouble")
        assert not download.progress().is_complete
        assert not download.ended.is_set()
        assert len(disk.attempts) <= 4 * (100 / RETRY_EVERY + 1)
        disk.trouble = None
        with trio.fail_after(2 * RETRY_EVERY):
            await download.completed()
        assert await bytes_of(disk, TORRENT) == DATA
        assert download.progress().downloaded == len(DATA), "no block was fetched twice"
        assert download.progress().paused is None
    assert [type(event) for event in of_kind(events, TorrentPaused, TorrentResumed)] == [TorrentPaused, TorrentResumed]


async def test_resume_tries_at_once(fabric: Fabric) -> None:
    async with troubled(fabric) as (disk, download):
        with trio.fail_after(60):
            await until(lambda: download.progress().paused is not None)
            await trio.sleep(RETRY_EVERY / 10)
        disk.trouble = None
        download.resume()
        with trio.fail_after(RETRY_EVERY / 2):
            await download.completed()


async def test_peers_we_do_not_listen_to_for_the_disks_sake_are_not_parted_with_as_silent(
    fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "MOST_WAITING", 1)
    monkeypatch.setattr(commit_queue, "BATCH", 1)
    events: list[Event] = []
    async with troubled(fabric, events.append) as (disk, download):
        await trio.sleep(3 * IDLE_TIMEOUT)
        disk.trouble = None
        with trio.fail_after(2 * RETRY_EVERY):
            await download.completed()
    assert not [event for event in of_kind(events, PeerClosed) if event.reason is Reason.IDLE]


async def test_a_seed_whose_blocks_we_have_no_room_for_is_rid_of_them_and_does_not_take_us_for_dead(
    fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "MOST_WAITING", 1)
    monkeypatch.setattr(commit_queue, "BATCH", 1)
    data = content(8_000_000)
    metainfo = torrent_of(data)
    disk = TroubledStorage(metainfo)
    disk.room, disk.trouble = 2, full_disk()
    events: list[Event] = []
    async with client_at(fabric, SEED, observe=events.append) as seed, client_at(fabric, LEECH) as leech:
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        download = await leech.add(metainfo, storage=using(disk), peers=[(SEED, PORT)])
        await trio.sleep(3 * IDLE_TIMEOUT)
        assert not [event for event in of_kind(events, PeerClosed) if event.reason is Reason.IDLE]
        disk.trouble = None
        with trio.fail_after(60):
            await download.completed()


async def test_a_pause_of_the_users_own_outlasts_the_trouble(fabric: Fabric) -> None:
    async with troubled(fabric) as (disk, download):
        await trio.sleep(20)
        download.pause()
        disk.trouble = None
        await trio.sleep(20)
        paused = download.progress().paused
        assert paused is not None
        assert paused[0] is Reason.PAUSED_BY_USER
        download.resume()
        with trio.fail_after(20):
            await download.completed()


async def test_what_waiting_cannot_cure_ends_the_download(fabric: Fabric) -> None:
    disk = TroubledStorage(TORRENT)
    disk.trouble, disk.room = StorageError("in the way", Reason.FILES_IN_THE_WAY), 0
    async with client_at(fabric, SEED) as seed, client_at(fabric, LEECH) as leech:
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        download = await leech.add(TORRENT, storage=using(disk), peers=[(SEED, PORT)])
        with trio.fail_after(20), pytest.raises(StorageError, match="in the way"):
            await download.completed()


async def test_removing_a_paused_download_does_not_wait_for_the_disk(fabric: Fabric) -> None:
    async with troubled(fabric) as (_, download):
        await trio.sleep(20)
        with trio.fail_after(1):
            await download.remove()


async def test_a_disk_that_cannot_be_read_for_a_while_pauses_the_seed_and_costs_no_peer(fabric: Fabric) -> None:
    disk = TroubledStorage(TORRENT, "read")
    for piece in range(TORRENT.piece_count):
        assert await disk.commit([(piece, DATA[piece * PIECE : (piece + 1) * PIECE])]) == [True]
    disk.trouble = StorageError("/mnt/sample.bin: Input/output error", Reason.DISK_ERROR)
    async with client_at(fabric, SEED) as seed, client_at(fabric, LEECH) as leech:
        shared = await seed.add(TORRENT, storage=using(disk))
        download = await leech.add(TORRENT, storage=using(MemoryStorage(TORRENT)), peers=[(SEED, PORT)])
        await trio.sleep(50)
        assert shared.progress().paused == (Reason.DISK_ERROR, "/mnt/sample.bin: Input/output error")
        assert not shared.ended.is_set()
        disk.trouble = None
        with trio.fail_after(60):
            await download.completed()


async def test_a_file_that_somebody_changes_is_noticed_without_being_read_and_mended(fabric: Fabric) -> None:
    events: list[Event] = []
    disk = TroubledStorage(TORRENT)
    async with client_at(fabric, SEED) as seed, client_at(fabric, LEECH, observe=events.append) as leech:
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        download = await leech.add(TORRENT, storage=using(disk), peers=[(SEED, PORT)])
        await download.completed()
        await trio.sleep(2 * LOOK_EVERY)
        assert len(of_kind(events, ChecksFinished)) == 1, "our own writing is no reason to look again"
        del events[:]
        disk.lose(0b101)
        with trio.fail_after(5 * LOOK_EVERY):
            await until(lambda: bool(of_kind(events, ChecksFinished)))
            checked = TORRENT.piece_count
            [event] = of_kind(events, ChecksFinished)
            assert isinstance(event, ChecksFinished)
            assert (event.pieces_present, event.pieces_checked) == (checked - 2, checked)
            await leech.add(TORRENT, peers=[(SEED, PORT)])
            await until(lambda: download.progress().is_complete)
    assert verified(events) == {0, 2}
    assert await bytes_of(disk, TORRENT) == DATA


@pytest.mark.parametrize("fast", [True, False])
async def test_what_was_asked_for_before_it_was_lost_is_rejected_and_the_peer_stays(fabric: Fabric, fast: bool) -> None:
    async with client_at(fabric, SEED) as seed:
        shared = await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        await shared.completed()
        puppet = await dial(fabric.host(LEECH), SEED, TORRENT.info_hash, fast=fast)
        await puppet.say(Interested())
        await puppet.next(Unchoke)
        exchange = seed._swarms[TORRENT.info_hash].exchange
        asked = BlockRequest(1, 0, 1000)
        exchange.can_serve = lambda request, peer: True  # as it was when the request came
        exchange.doubt(0b10)
        await puppet.say(Request(asked))
        if fast:
            assert await puppet.next(Reject) == Reject(asked)
        else:
            await puppet.next(Choke)
            await puppet.next(Unchoke)
        await puppet.say(Request(BlockRequest(0, 0, 1000)))
        assert (await puppet.next(Block)).piece == 0
        assert shared.progress().uploaded == 1000


class NamingStorage(MemoryStorage):
    """Like one of files: what is whole when a flush begins has its own name when that ends, `flush_time` later.

    As soon as everything is there the file is taken away, `for_good` or for a moment.
    """

    def __init__(self, metainfo: Metainfo, *, for_good: bool, flush_time: float, verify_time: float = 0) -> None:
        super().__init__(metainfo)
        self.named = 0
        self._all = everything(metainfo.piece_count)
        self._for_good = for_good
        self._flush_time = flush_time
        self._verify_time = verify_time
        self._right = 0
        self._flushing = trio.Lock()
        self._is_there: bool | None = None  # None until it is taken away

    async def commit(self, whole: Sequence[Whole]) -> list[bool]:
        verdicts = await super().commit(whole)
        self._right |= pieces_of([each.piece for each, is_right in zip(whole, verdicts, strict=True) if is_right])
        return verdicts

    async def stats(self) -> tuple[FileStat | None, ...]:
        if self._present == self._all and self._is_there is None:
            self._is_there = False
            self._present &= 0 if self._for_good else self._all
        async with self._flushing:
            return (None,) if self._is_there is False else await super().stats()

    async def look_again(self, files: Collection[int]) -> None:
        async with self._flushing:
            self._is_there, self._right = True, 0

    async def verify(self, piece: int) -> bool:
        await trio.sleep(self._verify_time)
        self._right |= self._present & 1 << piece
        return await super().verify(piece)

    async def flush(self) -> None:
        async with self._flushing:
            whole = self._all if self._right == self._all else 0
            if whole and self._for_good and not self._is_there:
                raise StorageError("/mnt/sample.bin.part: no such file", Reason.DISK_ERROR)
            await trio.sleep(self._flush_time)
            self.named |= whole

    async def settle(self) -> None:
        async with self._flushing:
            await super().settle()


@pytest.mark.parametrize(
    ("for_good", "flush_time", "verify_time"), [(True, 5, 0), (True, 0.01, 0), (False, 5, 0.01), (False, 0.1, 1)]
)
async def test_a_download_is_complete_when_its_files_have_their_names_whatever_others_do_to_them_at_the_end(
    fabric: Fabric, for_good: bool, flush_time: float, verify_time: float
) -> None:
    disk = NamingStorage(TORRENT, for_good=for_good, flush_time=flush_time, verify_time=verify_time)
    async with client_at(fabric, SEED) as seed, client_at(fabric, LEECH) as leech:
        await seed.add(TORRENT, storage=using(await stored(TORRENT, DATA)))
        download = await leech.add(TORRENT, storage=using(disk), peers=[(SEED, PORT)])
        with trio.fail_after(55):  # before it looks by itself
            await download.completed()
        assert disk.named == everything(TORRENT.piece_count)
        assert await bytes_of(disk, TORRENT) == DATA


# -- real files ------------------------------------------------------------------------------------------------------


@pytest.mark.real_clock
@pytest.mark.parametrize("harm", ["truncate", "empty", "remove"])
async def test_a_file_lost_while_it_is_shared_is_no_longer_claimed_and_fetched_again(tmp_path: Path, harm: str) -> None:
    files = {"a.bin": content(500_000), "b.bin": content(400_000, seed=2)}
    async with seeding(tmp_path / "seed", files) as (seed, metainfo):
        events: list[Event] = []
        async with a_client(events=events) as other:
            share = await other.add(metainfo, into=tmp_path / "other", peers=[("127.0.0.1", seed.port)])
            await share.completed()
            await until(lambda: not share.progress().peers)  # else it is mended before anybody can see that it was lost
            broken = tmp_path / "other" / "sample" / "b.bin"
            if harm == "remove":
                broken.unlink()
            else:
                os.truncate(broken, 0 if harm == "empty" else 200_000)
            del events[:]
            with pytest.raises(StorageError):  # who reads is what makes it look
                await _read_everything(other, metainfo)
            assert [isinstance(event, ChecksFinished) for event in events].count(True) == 1
            assert not share.progress().is_complete
            async with a_client() as second:  # whom nobody has just dialled
                await (await second.add(metainfo, into=tmp_path / "seed")).completed()
                assert share.error is None
                await other.add(metainfo, peers=[("127.0.0.1", second.port)])
                await until(lambda: share.progress().is_complete)
            assert verified(events) <= set(range(500_000 // PIECE, metainfo.piece_count))
            assert not share.ended.is_set()
        assert broken.read_bytes() == files["b.bin"]


async def _read_everything(client: object, metainfo: Metainfo) -> None:
    swarm = client._swarms[metainfo.info_hash]  # type: ignore[attr-defined]
    swarm._disk._storage._content._open_files.close()  # as if there were too many files to keep them open
    for piece in range(metainfo.piece_count):
        await swarm.read_block(piece, 0, 100)


@pytest.mark.real_clock
async def test_a_partial_file_removed_under_a_download_is_begun_anew(tmp_path: Path) -> None:
    data = content(15_000_000)
    async with seeding(tmp_path / "seed", {"a.bin": data}) as (seed, metainfo), a_client() as client:
        download = await client.add(metainfo, into=tmp_path / "leech", peers=[("127.0.0.1", seed.port)])
        await some_pieces(download, 10)
        download.pause()  # what is on its way still comes, a few MiB
        (tmp_path / "leech" / "sample" / "a.bin.part").unlink()
        download.resume()
        with trio.fail_after(15):
            await download.completed()
        assert (tmp_path / "leech" / "sample" / "a.bin").read_bytes() == data


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.real_clock
async def test_a_disk_that_is_really_full_is_waited_for(tmp_path: Path, small_disk: Path) -> None:
    data = content(3_000_000)
    (small_disk / "ballast").write_bytes(bytes(3_000_000))
    async with seeding(tmp_path / "seed", {"a.bin": data}) as (seed, metainfo), a_client(tmp_path / "state") as client:
        download = await client.add(metainfo, into=small_disk / "in", peers=[("127.0.0.1", seed.port)])
        await until(lambda: download.progress().paused is not None)
        paused = download.progress().paused
        assert paused is not None
        assert paused[0] is Reason.DISK_FULL
        assert str(small_disk / "in") in paused[1]
        (small_disk / "ballast").unlink()
        download.resume()
        await download.completed()
        assert download.progress().downloaded == len(data)
        assert (small_disk / "in" / "sample" / "a.bin").read_bytes() == data


async def test_a_file_that_a_piece_is_being_written_to_is_not_vouched_for() -> None:
    """Else a kill right after the resume data would have that piece fetched again, though it is there."""

    class Slow(MemoryStorage):
        async def commit(self, whole: Sequence[Whole]) -> list[bool]:
            verdicts = await super().commit(whole)
            await trio.sleep(1)
            return verdicts

    disk = Disk(Slow(TORRENT), TORRENT, SimpleNamespace(exchange=SimpleNamespace(have=0)), lambda _: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.commit, [Whole(0, DATA[: TORRENT.piece_length])])
        await trio.sleep(0.5)
        assert await disk.stats() == (None,)
        await trio.sleep(1)
        assert await disk.stats() == (FileStat(len(DATA), 0),)
