import errno
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.errors import Reason, StorageError
from magnetite.storage.atomic import write_atomically

STEPS = ("open", "write", "fsync", "close", "replace")  # of the os module, in any order of use


class Killed(BaseException):
    """Not an Exception: what is killed does not tidy up."""


def failing_at(monkeypatch, step, error):
    """Lets the first `step` calls to the operating system through and fails the next; tells the calls made."""
    calls = []

    def wrap(name, real):
        def call(*args, **kwargs):
            calls.append(name)
            if len(calls) == step + 1:
                raise error
            return real(*args, **kwargs)

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, wrap(name, getattr(os, name)))
    return calls


def test_data_is_synced_then_renamed_then_the_folder_is_synced(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        calls = failing_at(patch, 99, Killed())
        write_atomically(tmp_path / "state", b"new")
    assert calls == ["open", "write", "fsync", "close", "replace", "open", "fsync", "close"]


@pytest.mark.parametrize("old", [None, b"the old state"])
@pytest.mark.parametrize("step", range(8))
def test_killed_at_any_step_the_file_is_the_old_or_the_new_one(tmp_path, monkeypatch, step, old):
    path = tmp_path / "state"
    if old is not None:
        path.write_bytes(old)
    with monkeypatch.context() as patch:
        calls = failing_at(patch, step, Killed())
        with pytest.raises(Killed):
            write_atomically(path, b"the new state")
    found = path.read_bytes() if path.exists() else None
    assert found == (b"the new state" if "replace" in calls[:step] else old)
    write_atomically(path, b"the next state")
    assert path.read_bytes() == b"the next state"
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, Reason.DISK_FULL), (errno.EROFS, Reason.NOT_WRITABLE), (errno.EIO, Reason.DISK_ERROR)],
)
def test_a_failure_keeps_the_old_file_names_it_and_leaves_nothing_behind(tmp_path, monkeypatch, step, number, reason):
    path = tmp_path / "state"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        failing_at(patch, step, OSError(number, os.strerror(number)))
        with pytest.raises(StorageError, match=str(path)) as raised:
            write_atomically(path, b"new")
    assert raised.value.reason is reason
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state"]


def test_short_writes_are_carried_on(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    write_atomically(tmp_path / "state", b"0123456789")
    assert (tmp_path / "state").read_bytes() == b"0123456789"


def test_the_folder_is_made_and_only_the_owner_may_read_the_file(tmp_path):
    path = tmp_path / "a" / "b" / "state"
    write_atomically(path, b"x")
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_link_in_the_temporary_files_place_is_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "state.new").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "state", b"x")
    assert (tmp_path / "victim").read_bytes() == b"precious"


@given(st.binary(max_size=100))
def test_any_bytes_are_stored(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("atomic") / "state"
    write_atomically(path, data)
    assert path.read_bytes() == data
