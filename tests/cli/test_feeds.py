"""Following a publisher, in virtual time."""

from __future__ import annotations

import pytest
import trio

from magnetite.cli.feeds import follow, resolve
from magnetite.cli.report import Report
from magnetite.dht.feed import POLL_INTERVAL, encode_feed
from magnetite.dht.items import sign
from magnetite.errors import MagnetiteError, Reason, RemoteProtocolError
from magnetite.ids import InfoHash
from magnetite.simnet import Fabric
from magnetite.torrent.magnet import FeedLink, MagnetLink
from tests.dht.world import open_world

SEED = bytes(range(32))
LINK = FeedLink(sign(SEED, b"le", 0).key, b"news", "The news")
LONG = 1.3 * POLL_INTERVAL


class FakeDownload:
    """Notes what becomes of it."""

    def __init__(self, link: MagnetLink, log: list[str]) -> None:
        self.name = f"{link.name} {int(link.info_hash)}"
        self.log = log

    async def remove(self) -> None:
        self.log.append(f"stop {self.name}")


async def test_each_torrent_takes_the_place_of_the_one_before(
    fabric: Fabric, capfd: pytest.CaptureFixture[str]
) -> None:
    log: list[str] = []

    async def begin(link: MagnetLink) -> FakeDownload:
        download = FakeDownload(link, log)
        log.append(f"begin {download.name}")
        return download

    async def see_through(download: FakeDownload) -> None:
        await trio.sleep_forever()

    async with open_world(fabric, 8, settle=20) as world, trio.open_nursery() as nursery:
        publisher, follower = world.nodes[3], world.nodes[6]

        async def publish(seq: int, value: bytes) -> None:
            await publisher.items.put(sign(SEED, value, seq, LINK.salt))
            await trio.sleep(LONG)

        nursery.start_soon(follow, follower, LINK, Report(as_json=False), begin, see_through)
        await trio.sleep(LONG)
        assert log == []
        await publish(1, encode_feed(InfoHash(1)))
        assert log == ["begin The news 1"]
        await publish(2, encode_feed(InfoHash(1)))
        await publish(3, b"4:what")
        assert log == ["begin The news 1"], "neither names another torrent"
        await publish(4, encode_feed(InfoHash(2)))
        assert log == ["begin The news 1", "stop The news 1", "begin The news 2"]
        nursery.cancel_scope.cancel()
    assert f"sequence number 4: {InfoHash(2)}" in capfd.readouterr().err


async def test_a_link_is_resolved_or_the_reason_told(fabric: Fabric) -> None:
    async with open_world(fabric, 8, settle=20) as world:
        publisher, reader = world.nodes[3], world.nodes[6]
        with pytest.raises(MagnetiteError) as error:
            await resolve(reader, LINK)
        assert error.value.reason is Reason.NOT_FOUND
        await publisher.items.put(sign(SEED, b"4:what", 1, LINK.salt))
        with pytest.raises(RemoteProtocolError):
            await resolve(reader, LINK)
        await publisher.items.put(sign(SEED, encode_feed(InfoHash(5)), 2, LINK.salt))
        assert await resolve(reader, LINK) == InfoHash(5)
