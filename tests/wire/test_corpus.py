"""Streams as clients really send them, whole and then damaged at every byte."""

from __future__ import annotations

from random import Random

import pytest

from magnetite.errors import RemoteProtocolError
from magnetite.ids import InfoHash, PeerId
from magnetite.wire.extensions import decode_extension_handshake, decode_metadata
from magnetite.wire.handshake import Handshake
from magnetite.wire.messages import (
    AllowedFast,
    BitfieldMessage,
    Block,
    BlockRequest,
    Extended,
    Have,
    HaveAll,
    HaveNone,
    Interested,
    KeepAlive,
    Message,
    Port,
    Reject,
    Request,
    Suggest,
    Unchoke,
)
from magnetite.wire.peer_wire import PeerWire
from tests.wire.streams import feed, stream

ASK = BlockRequest(2, 0, 16384)
HELLO = Extended(0, b"d1:md11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei400e4:reqqi500e1:v9:Client 1.e")
METADATA = Extended(2, b"d8:msg_typei1e5:piecei0e10:total_sizei400ee" + b"m" * 400)


def client(name: bytes, **offers: bool) -> Handshake:
    return Handshake(InfoHash(1 << 159), PeerId(name.ljust(20, b"r")), **offers)


CORPUS: dict[str, tuple[Handshake, list[Message]]] = {
    "mainline of 2003: no extension at all": (
        client(b"M3-4-2--"),
        [BitfieldMessage(b"\xf0"), Interested(), KeepAlive(), Unchoke(), Request(ASK), Have(4)],
    ),
    "libtorrent, a seed: extension handshake first": (
        client(b"-LT20B0-", extensions=True, fast=True, dht=True),
        [HELLO, HaveAll(), AllowedFast(1), Port(6881), Unchoke(), Block(2, 0, b"\0\0\0\x05\x04" * 20), METADATA],
    ),
    "libtorrent, itself from a magnet link: bitfield after the metadata": (
        client(b"-LT20B0-", extensions=True, fast=True, dht=True),
        [HELLO, Extended(2, b"d8:msg_typei0e5:piecei0ee"), Interested(), HaveNone(), Port(6881), Have(1), Have(2)],
    ),
    "BitComet: an empty block where others reject": (
        client(b"-BC0171-", extensions=True),
        [BitfieldMessage(b"\xa8"), Unchoke(), Block(2, 0, b"")],
    ),
    "a leecher that is choked": (
        client(b"-TR4060-", extensions=True, fast=True),
        [HELLO, BitfieldMessage(b"\x20"), Suggest(2), Reject(ASK), Reject(ASK), KeepAlive()],
    ),
}


@pytest.mark.parametrize("name", CORPUS)
def test_what_clients_send_is_understood(name: str) -> None:
    handshake, messages = CORPUS[name]
    wire = PeerWire(piece_count=6)
    assert feed(wire, stream(messages, handshake)) == messages
    assert wire.handshake == handshake


@pytest.mark.parametrize("name", CORPUS)
def test_damage_at_any_byte_parses_or_raises_remote_protocol_error(name: str, rng: Random) -> None:
    data = stream(CORPUS[name][1], CORPUS[name][0])
    for at in range(len(data)):
        for value in {0, 0xFF, data[at] ^ 1 << rng.randrange(8)}:
            read_all(data[:at] + bytes([value]) + data[at + 1 :])
        read_all(data[:at] + data[at + 1 :])


def read_all(data: bytes) -> None:
    """Everything a peer would do with the bytes, extension messages included."""
    try:
        for message in feed(PeerWire(piece_count=6), data):
            match message:
                case Extended(0, payload):
                    decode_extension_handshake(payload)
                case Extended(_, payload):
                    decode_metadata(payload)
    except RemoteProtocolError:
        return
