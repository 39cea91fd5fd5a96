"""Whom we are interested in before it is known what there is."""

from __future__ import annotations

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.simnet import Fabric
from magnetite.wire.messages import (
    BitfieldMessage,
    Have,
    HaveAll,
    HaveNone,
    Interested,
    Message,
    NotInterested,
    Unchoke,
)
from tests.swarm.swarms import PORT, Puppet, client_at
from tests.swarm.test_exchange import METAINFO, NOW, Torrent, asked, said


def magnet() -> Torrent:
    torrent = Torrent(None)
    torrent.exchange.blocks.has_nothing = True
    return torrent


@pytest.mark.parametrize("told", [[HaveAll()], [BitfieldMessage(b"\x10" + b"\0" * 4)], [Have(3)]])
def test_whoever_has_anything_knows_of_our_interest_before_the_metadata_is_there(told: list[Message]) -> None:
    torrent = magnet()
    peer = torrent.peer()
    torrent.hear(peer, told)
    assert said(peer) == [Interested()]
    torrent.hear(peer, [Unchoke()])
    torrent.begin()
    assert asked(peer)


@pytest.mark.parametrize("told", [[HaveNone()], [BitfieldMessage(bytes(5))], []])
def test_nobody_who_has_nothing_yet_is_told_that_we_are_interested(told: list[Message]) -> None:
    torrent = magnet()
    peer = torrent.peer()
    torrent.hear(peer, told)
    assert not said(peer)


def test_interest_ends_where_it_turns_out_that_all_of_it_is_here() -> None:
    torrent = magnet()
    peer = torrent.peer()
    torrent.hear(peer, [HaveAll()])
    torrent.begin(have=(1 << METAINFO.piece_count) - 1)
    assert not peer.am_interested
    peer.tend(NOW)
    assert NotInterested() in said(peer)


def test_who_is_paused_is_interested_in_nobody() -> None:
    torrent = magnet()
    torrent.exchange.pause(Reason.PAUSED_BY_USER, "")
    peer = torrent.peer()
    torrent.hear(peer, [HaveAll()])
    assert not said(peer)


async def test_who_wants_the_metadata_alone_takes_nobody_s_slot(fabric: Fabric) -> None:
    """That the content is not wanted shows in what the peer hears: nothing of interest, however long it takes."""
    async with client_at(fabric, "10.0.0.1") as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.fetch_metadata, str(METAINFO.info_hash))
        puppet = Puppet(await fabric.host("10.0.0.2").connect(Endpoint("10.0.0.1", PORT)))
        await puppet.greet(METAINFO.info_hash)
        await puppet.say(HaveAll())
        with trio.move_on_after(30):
            while not puppet.ended:
                await puppet.listen()
        assert not any(isinstance(message, Interested) for message in puppet.heard)
        nursery.cancel_scope.cancel()
