import os
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from magnetite.storage import in_memory
from magnetite.storage.in_memory import is_in_memory


@pytest.fixture(autouse=True)
def nothing_known():
    in_memory._is_in_memory.cache_clear()


def open_at(folder: Path) -> int:
    return os.open(folder / "file", os.O_CREAT | os.O_RDWR)


def test_what_the_system_says_of_the_file_system_counts(tmp_path, monkeypatch):
    descriptor = open_at(tmp_path)
    device = os.fstat(descriptor).st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    for kind, expected in (("tmpfs", True), ("ext4", False)):
        mounts = tmp_path / f"mounts-{kind}"
        mounts.write_text(f"1 0 9:99 / / rw - ext4 /dev/x rw\n36 35 {name} / /somewhere rw shared:4 - {kind} none rw\n")
        monkeypatch.setattr(in_memory, "MOUNTS", mounts)
        in_memory._is_in_memory.cache_clear()
        assert is_in_memory(descriptor) is expected
    os.close(descriptor)


def test_where_nothing_is_known_there_may_be_a_disk(tmp_path, monkeypatch):
    descriptor = open_at(tmp_path)
    monkeypatch.setattr(in_memory, "MOUNTS", tmp_path / "nowhere")
    assert not is_in_memory(descriptor)
    os.close(descriptor)


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no tmpfs is mounted here")
def test_a_tmpfs_is_known_as_one():
    with TemporaryFile(dir="/dev/shm") as probe:
        assert is_in_memory(probe.fileno())
