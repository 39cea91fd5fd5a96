"""Taking a complete torrent from the folder it was downloaded into to the one it is to stay in."""

import errno
import os
import subprocess
from contextlib import contextmanager, suppress

import pytest

from magnetite.errors import Reason, StorageError
from magnetite.storage.files import open_storage
from tests.storage.test_files import COMPLETE, DATA, METAINFO, ONE, ONE_DATA, commit, tree

pytestmark = pytest.mark.real_clock


@pytest.fixture(params=["same file system", "across"])
def folders(request, tmp_path, monkeypatch):
    """Where it is downloaded, and where it is to stay."""
    if request.param == "across":
        rename = os.rename

        def refuse(source, target, *, src_dir_fd=None, dst_dir_fd=None):
            if src_dir_fd != dst_dir_fd:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        monkeypatch.setattr(os, "rename", refuse)
    return tmp_path / "incomplete", tmp_path / "complete"


def opened(folders, metainfo=METAINFO, wanted=None):
    return open_storage(metainfo, folders[1], wanted, incomplete=folders[0])


async def test_it_is_downloaded_in_one_folder_and_moved_to_the_other(folders):
    async with opened(folders) as storage:
        await commit(storage)
        await storage.flush()
        assert tree(folders[0]) == COMPLETE
        assert not folders[1].exists()
        before = await storage.stats()
        await storage.settle()
        assert await storage.stats() == before, "resume data still speaks for it"
        assert tree(folders[1]) == COMPLETE
        assert not list(folders[0].iterdir())
        assert bytes(await storage.read(1, 0, 20_000)) == DATA[20_000:40_000]
        await storage.settle()
    assert tree(folders[1]) == COMPLETE


async def test_a_second_start_finds_it_where_it_was_moved_to(folders):
    async with opened(folders) as storage:
        await commit(storage)
        await storage.flush()
        await storage.settle()
    async with opened(folders) as storage:
        assert all([await storage.verify(piece) for piece in range(METAINFO.piece_count)])
        await storage.settle()
    assert tree(folders[1]) == COMPLETE


async def test_what_is_not_complete_stays_where_it_is(folders):
    async with opened(folders) as storage:
        await commit(storage, 0)
    assert set(tree(folders[0])) == {"folder/a.part", "folder/empty"}
    async with opened(folders) as storage:
        assert await storage.verify(0)
    assert not folders[1].exists()


async def test_partial_files_that_are_not_wanted_move_with_the_others(folders):
    async with opened(folders, wanted={0}) as storage:
        await commit(storage, 0, 1)
        await storage.flush()
        await storage.settle()
    assert set(tree(folders[1])) == {"folder/a", "folder/sub/b", "folder/sub/deep/c.part"} & set(tree(folders[1]))
    assert "folder/a" in tree(folders[1])
    assert tree(folders[0]) == {}


@pytest.mark.parametrize("name", ["file.bin", "file.bin.part"])
async def test_nothing_is_overwritten(folders, name):
    async with opened(folders, ONE) as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
        await storage.flush()
        folders[1].mkdir()
        (folders[1] / name).write_bytes(b"a diary")
        with pytest.raises(StorageError, match=name) as raised:
            await storage.settle()
        assert raised.value.reason is Reason.FILES_IN_THE_WAY
        assert tree(folders[1]) == {name: b"a diary"}
        assert tree(folders[0]) == {"file.bin": ONE_DATA}
        (folders[1] / name).unlink()
        await storage.settle()
    assert tree(folders[1]) == {"file.bin": ONE_DATA}


class Killed(BaseException):
    pass


@contextmanager
def dying_after(monkeypatch, steps, *names):
    left = iter(range(steps))

    def die_after(real):
        def call(*args, **kwargs):
            if next(left, None) is None:
                raise Killed
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(os, name, die_after(getattr(os, name)))
        yield


@pytest.mark.parametrize("steps", range(0, 30, 2))
async def test_killed_at_any_step_the_move_goes_on_at_the_next_start(folders, monkeypatch, steps):
    async with opened(folders) as storage:
        await commit(storage)

    async def move():
        async with opened(folders) as storage:
            storage.trust(0b1111)
            await storage.settle()

    with dying_after(monkeypatch, steps, "rename", "write", "fsync", "unlink", "rmdir", "utime"), suppress(Killed):
        await move()
    for path, data in COMPLETE.items():
        assert data in {folder.joinpath(path).read_bytes() for folder in folders if folder.joinpath(path).exists()}
    async with opened(folders) as storage:
        assert all([await storage.verify(piece) for piece in range(METAINFO.piece_count)])
        await storage.settle()
    assert {path: data for path, data in tree(folders[1]).items() if not path.endswith(".copy")} == COMPLETE
    assert tree(folders[0]) == {}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(folder):
    subprocess.run(["mount", "-o", "remount,size=1m", str(folder)], check=True)


async def test_a_move_to_a_file_system_that_is_too_small_loses_nothing(tmp_path, small_disk):
    async with opened((tmp_path / "incomplete", small_disk), ONE) as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
        await storage.flush()
        with pytest.raises(StorageError) as raised:
            await storage.settle()
        assert raised.value.reason is Reason.DISK_FULL
        assert tree(small_disk) == {}
        enlarge(small_disk)
        await storage.settle()
        assert tree(small_disk) == {"file.bin": ONE_DATA}
        assert bytes(await storage.read(0, 0, 100)) == ONE_DATA[:100]


async def test_preallocated_files_take_their_room_when_they_are_begun(tmp_path):
    async with open_storage(ONE, tmp_path, preallocate=True) as storage:
        await commit(storage, 0, metainfo=ONE, data=ONE_DATA)
        found = (tmp_path / "file.bin.part").stat()
        assert found.st_size == 25_000
        assert found.st_blocks * 512 >= 25_000
        assert [await storage.verify(piece) for piece in range(3)] == [True, False, False]
        await commit(storage, 1, 2, metainfo=ONE, data=ONE_DATA)
    assert tree(tmp_path) == {"file.bin": ONE_DATA}


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
async def test_a_file_system_that_cannot_preallocate_is_used_as_it_is(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    async with open_storage(ONE, tmp_path, preallocate=True) as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
    assert tree(tmp_path) == {"file.bin": ONE_DATA}


async def test_a_full_disk_is_known_before_the_first_byte_of_a_preallocated_file(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with open_storage(ONE, tmp_path, preallocate=True) as storage:
        with monkeypatch.context() as patch:
            patch.setattr(os, "posix_fallocate", refuse)
            with pytest.raises(StorageError, match=r"file\.bin\.part: the disk is full"):
                await storage.commit([(0, ONE_DATA[:10_000])])
        await commit(storage, metainfo=ONE, data=ONE_DATA)
    assert tree(tmp_path) == {"file.bin": ONE_DATA}


async def test_files_looked_at_again_are_opened_again(tmp_path):
    async with open_storage(ONE, tmp_path) as storage:
        await commit(storage, metainfo=ONE, data=ONE_DATA)
        await storage.flush()
        await storage.read(0, 0, 10)
        (tmp_path / "file.bin").unlink()
        await storage.look_again([0])
        assert await storage.stats() == (None,)
        assert not await storage.verify(0)
        await commit(storage, metainfo=ONE, data=ONE_DATA)
    assert tree(tmp_path) == {"file.bin": ONE_DATA}


async def test_a_partial_file_that_has_gone_is_not_made_anew_with_holes(tmp_path):
    async with open_storage(ONE, tmp_path) as storage:
        await commit(storage, 0, metainfo=ONE, data=ONE_DATA)
        storage._content._open_files.close()
        (tmp_path / "file.bin.part").unlink()
        with pytest.raises(StorageError, match=r"file\.bin\.part"):
            await storage.commit([(1, ONE_DATA[10_000:20_000])])
        await storage.look_again([0])
        await commit(storage, 1, metainfo=ONE, data=ONE_DATA)
        assert [await storage.verify(piece) for piece in range(3)] == [False, True, False]
    assert set(tree(tmp_path)) == {"file.bin.part"}
