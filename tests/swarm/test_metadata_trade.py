"""What peers that ask for metadata, or claim it, bring about."""

from __future__ import annotations

import pytest

from magnetite.errors import Reason, WireError
from magnetite.swarm.metadata_trade import METADATA_PATIENCE
from magnetite.wire.extensions import (
    ExtensionHandshake,
    MetadataData,
    MetadataRequest,
    decode_metadata,
    encode_metadata,
)
from magnetite.wire.messages import Extended
from tests.swarm.test_exchange import METAINFO, NOW, Torrent, said

THEIRS = 3  # the id our peers give it
SIZE = len(METAINFO.info)


def claim(size: int | None = SIZE) -> Extended:
    return Extended(0, ExtensionHandshake(m={"ut_metadata": THEIRS}, metadata_size=size).encode())


def blocks_asked(peer) -> list[MetadataRequest]:
    return [decode_metadata(each.payload) for each in said(peer) if isinstance(each, Extended) and each.id == THEIRS]


def test_whoever_claims_the_metadata_is_asked_for_it_and_what_is_right_is_told_once() -> None:
    torrent, told = Torrent(None), []
    torrent.exchange.metadata.on_fetched = told.append
    peer = torrent.peer()
    torrent.hear(peer, [claim(), claim()])
    assert blocks_asked(peer) == [MetadataRequest(0)]
    block = Extended(1, encode_metadata(MetadataData(0, SIZE, METAINFO.info)))
    torrent.hear(peer, [block, block])
    assert told == [METAINFO.info]
    torrent.exchange.tend(NOW + METADATA_PATIENCE)
    assert not blocks_asked(peer)


def test_who_sends_metadata_unasked_is_not_missed_when_its_connection_breaks() -> None:
    """Or it could have us dial it every few seconds."""
    torrent = Torrent(None)
    asked, unasked = torrent.peer(1), torrent.peer(2)
    torrent.hear(asked, [claim()])
    block = Extended(1, encode_metadata(MetadataData(0, SIZE, METAINFO.info)))
    torrent.hear(unasked, [block])
    torrent.hear(asked, [block])
    for peer in (asked, unasked):
        peer.close(Reason.CONNECTION_LOST)
    assert (asked.is_missed, unasked.is_missed) == (True, False)


def test_nobody_is_asked_while_the_torrent_is_paused() -> None:
    torrent = Torrent(None)
    peer = torrent.peer()
    torrent.exchange.pause(Reason.PAUSED_BY_USER, "")
    torrent.hear(peer, [claim()])
    torrent.exchange.tend(NOW + 1)
    assert not blocks_asked(peer)
    torrent.exchange.resume(NOW + 2)
    assert blocks_asked(peer) == [MetadataRequest(0)]


def test_there_is_patience_with_those_that_wait_for_it_too_but_not_for_ever() -> None:
    torrent = Torrent(None)
    claiming, waiting = torrent.peer(1), torrent.peer(2)
    torrent.hear(claiming, [claim()])
    torrent.hear(waiting, [claim(None)])
    torrent.exchange.tend(NOW + METADATA_PATIENCE - 1)
    assert waiting.closing is None
    torrent.exchange.tend(NOW + METADATA_PATIENCE)
    assert waiting.closing == (Reason.NO_METADATA, "")


def test_metadata_requests_that_are_refused_for_ever_end_in_goodbye() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    torrent.hear(peer, [Extended(0, ExtensionHandshake(m={"ut_metadata": 3}).encode())])
    request = Extended(1, encode_metadata(MetadataRequest(0)))
    torrent.hear(peer, [request] * 500)
    with pytest.raises(WireError) as caught:
        torrent.hear(peer, [request] * 10)
    assert caught.value.reason is Reason.TOO_MANY_REQUESTS
