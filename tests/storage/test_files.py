import errno
import hashlib
import os
import stat
import threading
from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

from magnetite.errors import LocalProtocolError, Reason, StorageError
from magnetite.storage import folder as folder_module
from magnetite.storage.content import SYNC_ONE_BY_ONE
from magnetite.storage.files import open_storage
from magnetite.storage.open_files import OpenFiles
from magnetite.storage.workers import Workers
from tests.torrent.samples import multi, piece_of, single

pytestmark = pytest.mark.real_clock

METAINFO, DATA = multi({"a": 25_000, "empty": 0, "sub/b": 5_000, ".pad/9": 10_000, "sub/deep/c": 30_000}, 20_000)
A, SUB_B, C = DATA[:25_000], DATA[25_000:30_000], DATA[40_000:]
ONE_DATA = DATA[:25_000]
ONE = single(ONE_DATA, piece_length=10_000)


async def commit(storage, *pieces, metainfo=METAINFO, data=DATA):
    for piece in pieces or range(metainfo.piece_count):
        assert await storage.commit([(piece, piece_of(metainfo, data, piece))]) == [True]


def tree(folder):
    """Every file below the folder, by its slashed path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def descriptors():
    return set(os.listdir("/proc/self/fd"))


def is_file(descriptor):
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def disk_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("magnetite-disk")]


COMPLETE = {"folder/a": A, "folder/empty": b"", "folder/sub/b": SUB_B, "folder/sub/deep/c": C}


async def test_a_whole_torrent_becomes_its_files_and_no_padding(tmp_path):
    async with open_storage(METAINFO, tmp_path / "made" / "for it") as storage:
        await commit(storage)
    assert tree(tmp_path / "made" / "for it") == COMPLETE


async def test_opening_and_reading_change_nothing(tmp_path):
    async with open_storage(ONE, tmp_path) as storage:
        assert not await storage.verify(0)
    assert tree(tmp_path) == {}


async def test_a_file_has_its_own_name_only_after_a_flush_found_it_complete(tmp_path):
    async with open_storage(METAINFO, tmp_path) as storage:
        await commit(storage, 0)
        await storage.flush()
        assert set(tree(tmp_path)) == {"folder/a.part", "folder/empty"}
        await commit(storage, 1)
        assert set(tree(tmp_path)) == {"folder/a.part", "folder/sub/b.part", "folder/empty"}
        await storage.flush()
        assert set(tree(tmp_path)) == {"folder/a", "folder/sub/b", "folder/empty"}
        assert bytes(await storage.read(1, 0, 20_000)) == DATA[20_000:40_000]


async def test_a_second_run_goes_on_where_the_first_stopped(tmp_path):
    async with open_storage(METAINFO, tmp_path) as storage:
        await commit(storage, 0, 3)
    async with open_storage(METAINFO, tmp_path) as storage:
        assert [await storage.verify(piece) for piece in range(4)] == [True, False, False, True]
        await commit(storage, 1, 2)
    assert tree(tmp_path) == COMPLETE


async def test_trusted_pieces_complete_a_file_without_being_read(tmp_path):
    async with open_storage(METAINFO, tmp_path) as storage:
        await commit(storage, 0)
    async with open_storage(METAINFO, tmp_path) as storage:
        storage.trust(0b1)
        await commit(storage, 1)
        await storage.flush()
        assert (tmp_path / "folder/a").read_bytes() == A


async def test_complete_files_of_another_client_are_shared_where_they_are(tmp_path):
    for path, data in COMPLETE.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    async with open_storage(METAINFO, tmp_path) as storage:
        assert all([await storage.verify(piece) for piece in range(METAINFO.piece_count)])
        assert bytes(await storage.read(1, 0, 20_000)) == DATA[20_000:40_000]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


async def test_a_damaged_file_is_taken_back_to_its_partial_name_while_it_is_repaired(tmp_path):
    (tmp_path / ONE.name).write_bytes(ONE_DATA[:12_000] + bytes(13_000))
    async with open_storage(ONE, tmp_path) as storage:
        assert [await storage.verify(piece) for piece in range(3)] == [True, False, False]
        await commit(storage, 1, metainfo=ONE, data=ONE_DATA)
        assert set(tree(tmp_path)) == {"file.bin.part"}
        await storage.flush()
        assert set(tree(tmp_path)) == {"file.bin.part"}
        await commit(storage, 2, metainfo=ONE, data=ONE_DATA)
    assert tree(tmp_path) == {"file.bin": ONE_DATA}


async def test_somebodys_other_file_of_the_same_name_is_not_overwritten(tmp_path):
    (tmp_path / ONE.name).write_bytes(b"a diary")
    async with open_storage(ONE, tmp_path) as storage:
        assert not await storage.verify(0)
        with pytest.raises(StorageError, match="move it away") as raised:
            await storage.commit([(0, ONE_DATA[:10_000])])
    assert raised.value.reason is Reason.FILES_IN_THE_WAY
    assert tree(tmp_path) == {"file.bin": b"a diary"}


def put_longer_file(path, elsewhere):
    path.write_bytes(bytes(25_001))


def put_folder(path, elsewhere):
    path.mkdir()


def put_link(path, elsewhere):
    (elsewhere / "target").write_bytes(b"")
    path.symlink_to(elsewhere / "target")


def put_dangling_link(path, elsewhere):
    path.symlink_to(elsewhere / "made by us")


def put_fifo(path, elsewhere):
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["file.bin", "file.bin.part"])
@pytest.mark.parametrize("put", [put_longer_file, put_folder, put_link, put_dangling_link, put_fifo])
async def test_what_stands_in_a_files_place_is_named_and_left_alone(tmp_path, put, name):
    downloads, elsewhere = tmp_path / "downloads", tmp_path / "elsewhere"
    downloads.mkdir()
    elsewhere.mkdir()
    put(downloads / name, elsewhere)
    with pytest.raises(StorageError, match=f"{name}.*move it away") as raised:
        async with open_storage(ONE, downloads):
            pytest.fail("opened")
    assert raised.value.reason is Reason.FILES_IN_THE_WAY
    assert os.listdir(downloads) == [name]
    assert not disk_threads()


async def test_a_file_beside_its_own_partial_file_is_for_a_person_to_decide(tmp_path):
    (tmp_path / "file.bin").write_bytes(b"1")
    (tmp_path / "file.bin.part").write_bytes(b"2")
    with pytest.raises(StorageError, match="move one of them away"):
        async with open_storage(ONE, tmp_path):
            pytest.fail("opened")
    assert tree(tmp_path) == {"file.bin": b"1", "file.bin.part": b"2"}


@pytest.mark.parametrize("link", ["folder", "folder/sub", "folder/sub/deep"])
async def test_no_link_to_a_folder_is_followed(tmp_path, link):
    downloads, elsewhere = tmp_path / "downloads", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (downloads / link).parent.mkdir(parents=True)
    (downloads / link).symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(StorageError) as raised:
        async with open_storage(METAINFO, downloads):
            pytest.fail("opened")
    assert raised.value.reason is Reason.FILES_IN_THE_WAY
    assert tree(elsewhere) == {}


async def test_a_link_put_there_after_the_start_is_not_followed_either(tmp_path):
    downloads, elsewhere = tmp_path / "downloads", tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with open_storage(METAINFO, downloads) as storage:
        (downloads / "folder").mkdir(parents=True)
        (downloads / "folder/sub").symlink_to(elsewhere, target_is_directory=True)
        with pytest.raises(StorageError) as raised:
            await storage.commit([(3, piece_of(METAINFO, DATA, 3))])
    assert raised.value.reason is Reason.FILES_IN_THE_WAY
    assert tree(elsewhere) == {}


async def test_the_download_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    async with open_storage(ONE, tmp_path / "link") as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
    assert tree(tmp_path / "real") == {"file.bin": ONE_DATA}


async def test_only_wanted_files_are_made_and_what_a_wanted_piece_reaches_into(tmp_path):
    async with open_storage(METAINFO, tmp_path, wanted={0}) as storage:
        await commit(storage, 0, 1)
        await storage.flush()
        assert (tmp_path / "folder/a").read_bytes() == A
        assert not (tmp_path / "folder/empty").exists()
        assert not (tmp_path / "folder/sub/deep").exists()
        assert bytes(await storage.read(1, 0, 20_000)) == DATA[20_000:40_000]


async def test_an_empty_file_that_is_wanted_later_is_made_by_the_next_flush(tmp_path):
    async with open_storage(METAINFO, tmp_path, wanted={0}) as storage:
        await storage.flush()
        storage.want({0, 1})
        await storage.flush()
        assert (tmp_path / "folder/empty").read_bytes() == b""


FAULTS = {
    errno.ENOSPC: Reason.DISK_FULL,
    errno.EDQUOT: Reason.DISK_FULL,
    errno.EACCES: Reason.NOT_WRITABLE,
    errno.EROFS: Reason.NOT_WRITABLE,
    errno.EIO: Reason.DISK_ERROR,
}


@pytest.mark.parametrize(("number", "reason"), FAULTS.items())
async def test_a_failing_write_says_which_file_and_why_and_can_be_tried_again(tmp_path, monkeypatch, number, reason):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    async with open_storage(ONE, tmp_path) as storage:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwritev", fail)
            with pytest.raises(StorageError, match=r"file\.bin\.part: ") as raised:
                await storage.commit([(0, ONE_DATA[:10_000])])
        assert raised.value.reason is reason
        assert not await storage.verify(0)
        await commit(storage, metainfo=ONE, data=ONE_DATA)
    assert tree(tmp_path) == {"file.bin": ONE_DATA}


async def test_a_write_in_small_parts_is_carried_on(tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwritev", lambda fd, data, offset: pwrite(fd, data[0][:999], offset))
    async with open_storage(METAINFO, tmp_path) as storage:
        await commit(storage)
    assert tree(tmp_path) == COMPLETE


async def test_a_failing_sync_leaves_the_partial_name_and_is_tried_again(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with open_storage(ONE, tmp_path) as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(StorageError, match=r"file\.bin"):
                await storage.flush()
            assert set(tree(tmp_path)) == {"file.bin.part"}
        await storage.flush()
        assert set(tree(tmp_path)) == {"file.bin"}


async def test_data_is_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    steps = []

    def note(name, real):
        def call(*args, **kwargs):
            what = os.path.basename(os.readlink(f"/proc/self/fd/{args[0]}")) if name == "fsync" else args[1]
            steps.append((name, what))
            return real(*args, **kwargs)

        return call

    async with open_storage(ONE, tmp_path / "d") as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
        monkeypatch.setattr(os, "fsync", note("fsync", os.fsync))
        monkeypatch.setattr(os, "rename", note("rename", os.rename))
        await storage.flush()
        assert steps == [("fsync", "file.bin.part"), ("rename", "file.bin"), ("fsync", "d")]
        await storage.flush()
        assert len(steps) == 3


class Killed(BaseException):
    pass


def many_files():
    count = SYNC_ONE_BY_ONE + 20
    return multi({f"{number % 3}/{number:03}": 10 for number in range(count)}, 40)


@pytest.mark.parametrize("knows_how", [True, False])
async def test_many_files_are_synced_together_where_that_is_known_to_work(tmp_path, monkeypatch, knows_how):
    together, alone = [], []
    fsync = os.fsync
    monkeypatch.setattr(folder_module, "sync_file_system", lambda descriptor: together.append(descriptor) or knows_how)
    monkeypatch.setattr(os, "fsync", lambda descriptor: alone.append(is_file(descriptor)) or fsync(descriptor))
    metainfo, data = many_files()
    async with open_storage(metainfo, tmp_path) as storage:
        await commit(storage, metainfo=metainfo, data=data)
        await storage.flush()
        assert len(together) == 1, "once a file system, not once a folder"
        assert sum(alone) == (0 if knows_how else len(metainfo.files))
        assert alone.count(False) == 5, "each of the folders, after the renames"
    assert b"".join(tree(tmp_path)["/".join(entry.path)] for entry in metainfo.files) == data


async def test_many_files_that_cannot_be_synced_keep_their_partial_names(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    metainfo, data = many_files()
    async with open_storage(metainfo, tmp_path) as storage:
        await commit(storage, metainfo=metainfo, data=data)
        with monkeypatch.context() as failing:
            failing.setattr(folder_module, "sync_file_system", fail)
            with pytest.raises(StorageError):
                await storage.flush()
        assert all(name.endswith(".part") for name in tree(tmp_path))
        await storage.flush()
    assert not any(name.endswith(".part") for name in tree(tmp_path))


@pytest.mark.parametrize("step", range(6))
async def test_killed_at_any_step_no_file_is_called_complete_that_is_not(tmp_path, monkeypatch, step):
    left = iter(range(step))

    def die_after(real):
        def call(*args, **kwargs):
            if next(left, None) is None:
                raise Killed
            return real(*args, **kwargs)

        return call

    async def download():
        async with open_storage(ONE, tmp_path) as storage:
            await commit(storage, metainfo=ONE, data=ONE_DATA)

    with monkeypatch.context() as patch:
        for name in ("pwritev", "fsync", "rename"):
            patch.setattr(os, name, die_after(getattr(os, name)))
        with pytest.raises(Killed):
            await download()
    assert tree(tmp_path).get("file.bin", ONE_DATA) == ONE_DATA
    async with open_storage(ONE, tmp_path) as storage:
        for piece in range(3):
            if not await storage.verify(piece):
                await commit(storage, piece, metainfo=ONE, data=ONE_DATA)
    assert tree(tmp_path) == {"file.bin": ONE_DATA}


async def test_a_name_taken_meanwhile_is_not_overwritten(tmp_path):
    async with open_storage(ONE, tmp_path) as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
        (tmp_path / "file.bin").write_bytes(b"a diary")
        with pytest.raises(StorageError, match=r"file\.bin: .*taken"):
            await storage.flush()
        assert tree(tmp_path) == {"file.bin": b"a diary", "file.bin.part": ONE_DATA}
        (tmp_path / "file.bin").unlink()
    assert tree(tmp_path) == {"file.bin": ONE_DATA}


async def test_a_close_that_fails_still_ends_the_threads_and_closes_every_file(tmp_path):
    before = descriptors()
    storage_left = open_storage(ONE, tmp_path)
    storage = await storage_left.__aenter__()
    await commit(storage, metainfo=ONE, data=ONE_DATA)
    (tmp_path / "file.bin").write_bytes(b"a diary")
    with pytest.raises(StorageError):
        await storage.aclose()
    await storage_left.__aexit__(None, None, None)
    assert not disk_threads()
    assert descriptors() == before


async def test_storages_that_share_threads_close_only_what_is_their_own(tmp_path):
    before = descriptors()
    workers = Workers(2)
    async with open_storage(ONE, tmp_path / "a", workers=workers) as first:
        await commit(first, metainfo=ONE, data=ONE_DATA)
        async with open_storage(METAINFO, tmp_path / "b", workers=workers) as second:
            await commit(second, 0)
            await second.aclose()
            with pytest.raises(LocalProtocolError, match="closed"):
                await second.read(0, 0, 10)
        assert bytes(await first.read(1, 0, 5)) == ONE_DATA[10_000:10_005]
    assert descriptors() == before
    await workers.aclose()
    assert not disk_threads()


async def test_storages_that_share_open_files_have_one_limit_together(tmp_path):
    before, shared = descriptors(), OpenFiles(3)
    async with AsyncExitStack() as stack:
        storages = []
        for number in range(8):
            folder = tmp_path / str(number)
            storage = await stack.enter_async_context(open_storage(ONE, folder, open_files=shared))
            await commit(storage, metainfo=ONE, data=ONE_DATA)
            storages.append(storage)
        assert len(shared._files) <= 3
        await storages[7].aclose()
        for storage in storages[:7]:
            assert bytes(await storage.read(1, 0, 5)) == ONE_DATA[10_000:10_005]
        assert len(shared._files) <= 3
    assert not shared._files
    assert descriptors() == before


async def test_a_file_cut_short_is_told_and_no_longer_verifies(tmp_path):
    async with open_storage(ONE, tmp_path) as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
        await storage.flush()
        os.truncate(tmp_path / "file.bin", 15_000)
        with pytest.raises(StorageError, match=r"file\.bin: shorter than it was"):
            await storage.read(2, 0, 5_000)
        assert [await storage.verify(piece) for piece in range(3)] == [True, False, False]


async def test_stats_follow_the_files_through_their_names(tmp_path):
    async with open_storage(METAINFO, tmp_path) as storage:
        assert await storage.stats() == (None,) * 5
        await commit(storage, 0)
        sizes = [stat and stat.size for stat in await storage.stats()]
        assert sizes == [20_000, None, None, None, None]
        await commit(storage)
        before = await storage.stats()
        await storage.flush()
        after = await storage.stats()
    assert [stat and stat.size for stat in after] == [25_000, 0, 5_000, None, 30_000]
    assert [stat for stat in after if stat and stat.size] == [stat for stat in before if stat]


async def test_leaving_ends_the_threads_and_closes_every_file(tmp_path):
    before = descriptors()
    async with open_storage(METAINFO, tmp_path) as storage:
        await commit(storage)
        await storage.read(0, 0, 10)
        assert disk_threads()
    assert not disk_threads()
    assert descriptors() == before
    with pytest.raises(LocalProtocolError):
        await storage.read(0, 0, 10)


async def test_few_files_are_open_at_a_time_however_many_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr("magnetite.storage.content.OPEN_FILES", 5)
    metainfo, data = multi({f"d/{number}": 100 for number in range(50)}, piece_length=1000)
    async with open_storage(metainfo, tmp_path) as storage:
        before = descriptors()  # besides the files there is the claim
        await commit(storage, metainfo=metainfo, data=data)
        assert len(descriptors() - before) <= 6
        assert all([await storage.verify(piece) for piece in range(metainfo.piece_count)])
        assert len(descriptors() - before) <= 6


async def test_cancelled_work_that_has_not_begun_never_happens(tmp_path, monkeypatch):
    begun, gate = threading.Semaphore(0), threading.Event()

    def slow(*data):
        begun.release()
        gate.wait(10)
        return hashlib.sha1(*data)

    monkeypatch.setattr("magnetite.storage.content.sha1", slow)
    monkeypatch.setattr("magnetite.storage.files.HASHED_AT_ONCE", 0)  # in threads, then
    metainfo = single(DATA, piece_length=1000)
    results = {}

    async def commit_one(storage, piece):
        (results[piece],) = await storage.commit([(piece, piece_of(metainfo, DATA, piece))])

    async with open_storage(metainfo, tmp_path) as storage:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                for piece in range(20):
                    nursery.start_soon(commit_one, storage, piece)
                for _ in range(2):
                    await trio.to_thread.run_sync(begun.acquire)
                scope.cancel()
                gate.set()
        assert scope.cancelled_caught
        done = [piece for piece in range(20) if await storage.verify(piece)]
        assert sorted(results) == done  # what had begun was finished and told, all else left undone
        assert len(done) == 2


async def test_a_cancelled_commit_returns_only_when_nobody_looks_at_the_buffer(tmp_path, monkeypatch):
    begun, gate = threading.Event(), threading.Event()
    pwritev = os.pwritev

    def slow(*args):
        begun.set()
        gate.wait(10)
        return pwritev(*args)

    monkeypatch.setattr(os, "pwritev", slow)
    buffer = bytearray(ONE_DATA[:10_000])

    async def commit_and_reuse(storage):
        try:
            await storage.commit([(0, buffer)])
            await trio.lowlevel.checkpoint()
        finally:
            buffer[:] = bytes(len(buffer))

    async with open_storage(ONE, tmp_path) as storage:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(commit_and_reuse, storage)
            await trio.to_thread.run_sync(begun.wait)
            nursery.cancel_scope.cancel()
            gate.set()
        assert await storage.verify(0)


async def test_the_loop_goes_on_while_the_disk_is_slow(tmp_path, monkeypatch):
    gate, pread = threading.Event(), os.pread
    (tmp_path / ONE.name).write_bytes(ONE_DATA)
    monkeypatch.setattr(os, "pread", lambda *args: gate.wait(10) and pread(*args))
    async with open_storage(ONE, tmp_path) as storage, trio.open_nursery() as nursery:
        nursery.start_soon(storage.read, 0, 0, 100)
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        gate.set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError) as raised:
        async with open_storage(ONE, tmp_path) as storage:
            await commit(storage, metainfo=ONE, data=ONE_DATA)
    assert raised.value.reason is Reason.NOT_WRITABLE


async def test_names_that_differ_by_case_only_are_two_files_everywhere(tmp_path):
    metainfo, data = multi({"Read.me": 100, "read.ME": 200, "READ.ME/inner": 300}, 1000)
    async with open_storage(metainfo, tmp_path) as storage:
        await commit(storage, metainfo=metainfo, data=data)
        await storage.flush()
        assert bytes(await storage.read(0, 0, 600)) == data
    found = tree(tmp_path)
    assert sorted(map(len, found.values())) == [100, 200, 300]
    assert len({name.casefold() for name in found}) == 3


async def test_a_name_the_file_system_does_not_take_is_told_at_the_start(tmp_path, monkeypatch):
    stat = os.stat

    def refuse(path, **options):
        if path == ONE.name:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(StorageError, match="no name this long; choose another folder") as raised:
        async with open_storage(ONE, tmp_path):
            pytest.fail("opened")
    assert raised.value.reason is Reason.NOT_STORABLE
