"""Connections that the network breaks: noticed soon, and made anew where they had brought something."""

from __future__ import annotations

from random import Random

import trio

from magnetite.errors import Reason
from magnetite.events import Event, PeerClosed, PeerConnected
from magnetite.simnet import Fabric, Link
from magnetite.simnet.faults import DROP, PASS, Packet, Verdict
from magnetite.storage.memory import MemoryStorage
from magnetite.ways import Carrier
from tests.swarm.swarms import PORT, bytes_of, client_at, content, stored, torrent_of, using

RESET = 0x31  # type and version of a uTP packet (BEP 29, header format)


class Mute:
    """No TCP, and no uTP connection's end is ever told; nothing at all comes through while it is `down`."""

    down = False

    def __call__(self, packet: Packet, rng: Random) -> Verdict:
        return DROP if self.down or packet.is_segment or packet.data[0] == RESET else PASS


async def test_a_seed_that_has_given_a_utp_connection_up_without_a_word_is_called_again(fabric: Fabric) -> None:
    """As libtorrent does after three losses of one packet. The leech has nothing on its way, and would wait on."""
    data, events, mute = content(1 << 20), list[Event](), Mute()
    metainfo = torrent_of(data)
    fabric.faults.add(mute)
    storage = MemoryStorage(metainfo)
    line = Link(up=100_000, down=1_000_000)
    async with (
        client_at(fabric, "10.0.0.1", link=line) as seed,
        client_at(fabric, "10.0.0.2", observe=events.append) as leech,
    ):
        await (await seed.add(metainfo, storage=using(await stored(metainfo, data)))).completed()
        download = await leech.add(metainfo, storage=using(storage), peers=[("10.0.0.1", PORT)])
        await trio.sleep(4)
        assert 0 < download.progress().downloaded < len(data)
        mute.down = True
        await trio.sleep(25)  # until the seed has given up what was on its way, and with it the connection
        mute.down = False
        since = trio.current_time()
        with trio.fail_after(60):
            await download.completed()
    assert await bytes_of(storage, metainfo) == data
    assert [event.carrier for event in events if isinstance(event, PeerConnected)] == [Carrier.UTP] * 2
    lost = next(event for event in events if isinstance(event, PeerClosed))
    assert lost.reason is Reason.CONNECTION_LOST
    assert lost.time - since < 10
