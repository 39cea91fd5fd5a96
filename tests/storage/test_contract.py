"""What every Storage promises, tried on each implementation."""

from contextlib import asynccontextmanager

import pytest
import trio

from magnetite.storage.files import open_storage
from magnetite.storage.memory import MemoryStorage
from tests.torrent.samples import multi, piece_of

pytestmark = pytest.mark.real_clock

METAINFO, DATA = multi({"a": 30_000, "empty": 0, "sub/b": 5, ".pad/9": 20_000, "sub/c": 79_990}, piece_length=20_000)
PIECES = range(METAINFO.piece_count)


@asynccontextmanager
async def in_memory(_):
    storage = MemoryStorage(METAINFO)
    yield storage
    await storage.aclose()


@pytest.fixture(params=[in_memory, lambda folder: open_storage(METAINFO, folder)], ids=["memory", "files"])
def opened(request, tmp_path):
    return request.param(tmp_path)


async def commit_all(storage):
    for piece in PIECES:
        assert await storage.commit([(piece, piece_of(METAINFO, DATA, piece))]) == [True]


async def test_what_was_committed_is_read_back(opened):
    async with opened as storage:
        await commit_all(storage)
        for piece in PIECES:
            expected = piece_of(METAINFO, DATA, piece)
            assert bytes(await storage.read(piece, 0, len(expected))) == expected
            assert bytes(await storage.read(piece, 7, len(expected) - 9)) == expected[7:-2]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_any_kind_of_buffer_is_committed(opened, kind):
    async with opened as storage:
        assert await storage.commit([(0, kind(piece_of(METAINFO, DATA, 0)))]) == [True]
        assert await storage.verify(0)


async def test_a_buffer_may_be_reused_once_commit_has_returned(opened):
    async with opened as storage:
        buffer = bytearray(piece_of(METAINFO, DATA, 0))
        assert await storage.commit([(0, buffer)]) == [True]
        buffer[:] = bytes(len(buffer))
        assert bytes(await storage.read(0, 0, 100)) == DATA[:100]


@pytest.mark.parametrize("data", [b"", b"x", bytes(20_000), DATA[20_000:40_000], DATA[:20_001]])
async def test_a_piece_with_a_wrong_hash_is_refused_and_leaves_nothing(opened, data):
    async with opened as storage:
        assert await storage.commit([(0, data)]) == [False]
        assert not await storage.verify(0)


async def test_a_wrong_piece_does_not_harm_a_right_one(opened):
    async with opened as storage:
        await commit_all(storage)
        assert await storage.commit([(1, bytes(20_000))]) == [False]
        assert await storage.verify(1)


async def test_nothing_verifies_before_it_was_committed(opened):
    async with opened as storage:
        assert not any([await storage.verify(piece) for piece in PIECES])
        await storage.commit([(2, piece_of(METAINFO, DATA, 2))])
        assert [await storage.verify(piece) for piece in PIECES] == [piece == 2 for piece in PIECES]


async def test_stats_are_one_a_file(opened):
    async with opened as storage:
        await commit_all(storage)
        await storage.flush()
        assert len(await storage.stats()) == len(METAINFO.files)


async def test_trusting_nothing_changes_nothing(opened):
    async with opened as storage:
        storage.trust(0)
        assert not await storage.verify(0)


async def test_closing_twice_is_safe(opened):
    async with opened as storage:
        await storage.commit([(0, piece_of(METAINFO, DATA, 0))])
        await storage.aclose()


async def test_many_commits_and_reads_at_a_time_do_not_mix(opened):
    async with opened as storage, trio.open_nursery() as nursery:

        async def commit_and_read(piece):
            data = piece_of(METAINFO, DATA, piece)
            assert await storage.commit([(piece, data)]) == [True]
            assert bytes(await storage.read(piece, 0, len(data))) == data

        for piece in [*PIECES] * 5:
            nursery.start_soon(commit_and_read, piece)
