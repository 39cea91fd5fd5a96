import os

import pytest

from magnetite.storage import syncing
from magnetite.storage.syncing import sync_file_system


@pytest.fixture
def descriptor(tmp_path):
    opened = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def test_a_file_system_that_is_not_known_is_left_alone(descriptor, monkeypatch):
    monkeypatch.setattr(syncing, "_KNOWN", {})
    assert not sync_file_system(descriptor)


def test_where_it_is_known_everything_is_synced(descriptor, monkeypatch):
    libc = syncing.ctypes.CDLL(None)
    monkeypatch.setattr(syncing, "_KNOWN", {syncing._type_of(libc, descriptor): "this one"})
    assert sync_file_system(descriptor)


def test_an_error_is_told(descriptor):
    with pytest.raises(OSError, match="Bad file descriptor"):
        sync_file_system(10_000)
