"""What befalls hosts and their disks."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason, StorageError
from magnetite.simnet import Fabric
from magnetite.simnet.disk import Disk
from magnetite.simnet.incidents import down, full, unplugged
from magnetite.storage.base import Whole
from magnetite.storage.memory import MemoryStorage
from magnetite.torrent.create import encode_info
from magnetite.torrent.metainfo import decode_info

A, B = Endpoint("10.0.0.1", 1), Endpoint("10.0.0.2", 1)
PIECE = bytes(range(256)) * 64
TORRENT = decode_info(encode_info([(("a.bin",), len(PIECE))], len(PIECE), sha1(PIECE).digest()))
NOTHING: frozenset[int] = frozenset()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(MemoryStorage, tmp_path)


async def test_an_unplugged_host_is_back_after_the_block(fabric: Fabric) -> None:
    a, b = await fabric.host(A.ip).open_udp(A), await (host := fabric.host(B.ip)).open_udp(B)
    with unplugged(host):
        a.send(b"lost", B)
        await trio.sleep(1)
    a.send(b"here", B)
    assert [each.data for each in await b.receive_batch()] == [b"here"]


async def test_a_host_that_was_down_is_up_without_its_sockets(fabric: Fabric) -> None:
    host = fabric.host(A.ip)
    udp = await host.open_udp(A)
    with down(host):
        with pytest.raises(NetworkError):
            await host.open_udp(A)
        with pytest.raises(NetworkError):
            await udp.receive_batch()
    await host.open_udp(A)


async def test_a_full_disk_takes_nothing_until_there_is_room(disk: Disk) -> None:
    async with disk.open(TORRENT, NOTHING) as storage:
        with full(disk), pytest.raises(StorageError) as refused:
            await storage.commit([Whole(0, PIECE)])
        assert refused.value.reason is Reason.DISK_FULL
        assert await storage.commit([Whole(0, PIECE)]) == [True]


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_crash_leaves_what_was_written_or_loses_the_disk(fabric: Fabric, disk: Disk, is_lost: bool) -> None:
    host = fabric.host(A.ip)
    disk.folder.mkdir()
    before = disk.folder
    (before / "node.dht").write_text("state")
    async with disk.open(TORRENT, NOTHING) as storage:
        await storage.commit([Whole(0, PIECE)])
        with down(host, disk, is_lost=is_lost):
            with pytest.raises(StorageError, match="went down"):
                await storage.verify(0)
            (before / "node.dht").write_text("a last word, too late")
    async with disk.open(TORRENT, NOTHING) as storage:
        assert await storage.verify(0) is not is_lost
    assert (disk.folder / "node.dht").exists() is not is_lost
    if not is_lost:
        assert (disk.folder / "node.dht").read_text() == "state"


def test_a_disk_without_a_folder_says_so() -> None:
    with pytest.raises(ValueError, match="no folder"):
        _ = Disk(MemoryStorage).folder
