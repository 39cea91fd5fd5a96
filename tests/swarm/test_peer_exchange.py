"""What peers are told of each other (BEP 11), of being done (BEP 21), and of pieces that are gone (BEP 54)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import WireError
from magnetite.events import Event, PeerConnected, PeerFound, Source
from magnetite.simnet import Fabric
from magnetite.storage.memory import MemoryStorage
from magnetite.swarm.peer import Peer
from magnetite.swarm.peer_extensions import OUR_LT_DONTHAVE, OUR_UT_PEX
from magnetite.swarm.reach import Reach
from magnetite.torrent import pieces
from magnetite.wire.extensions import (
    HANDSHAKE_ID,
    LT_DONTHAVE,
    ExtensionHandshake,
    decode_dont_have,
    decode_extension_handshake,
)
from magnetite.wire.messages import MAX_PIECES, Extended, Have, HaveAll, Interested, Unchoke
from magnetite.wire.pex import UT_PEX, PexFlag, PexMessage, decode_pex, encode_pex
from tests.swarm.swarms import PORT, bytes_of, client_at, content, dial, stored, torrent_of, using
from tests.swarm.test_exchange import METAINFO, NOW, Torrent, asked, said

THEIR_PEX = 9  # the id our peers give it
MIB = 1 << 20


def introduction(**fields: object) -> Extended:
    return Extended(HANDSHAKE_ID, ExtensionHandshake(m={UT_PEX: THEIR_PEX}, **fields).encode())


def gossip(*named: Endpoint) -> Extended:
    return Extended(OUR_UT_PEX, encode_pex(PexMessage(dict.fromkeys(named, PexFlag(0)))))


def lost(piece: int) -> Extended:
    return Extended(OUR_LT_DONTHAVE, piece.to_bytes(4, "big"))


def told(peer: Peer) -> list[PexMessage]:
    return [decode_pex(each.payload) for each in said(peer) if isinstance(each, Extended) and each.id == THEIR_PEX]


def introductions(peer: Peer) -> Iterator[ExtensionHandshake]:
    for message in said(peer):
        if isinstance(message, Extended) and message.id == HANDSHAKE_ID:
            yield decode_extension_handshake(message.payload)


# -- telling ---------------------------------------------------------------------------------------------------------


def test_only_peers_that_others_can_reach_are_told_and_with_what_we_know_of_them() -> None:
    torrent = Torrent()
    listener = torrent.peer(1)
    torrent.peer(2)  # came to us, and names no port
    torrent.hear(torrent.peer(3), [introduction(p=7000, upload_only=True, e=True)])
    dialled = torrent.peer(4)
    dialled.source = Source.DHT
    torrent.hear(listener, [introduction(p=7001)])
    torrent.exchange.tend(NOW)
    assert told(listener) == [
        PexMessage({Endpoint("10.0.0.3", 7000): PexFlag.SEED | PexFlag.ENCRYPTION, dialled.endpoint: PexFlag.REACHABLE})
    ]


def test_who_comes_and_goes_is_told_a_minute_later() -> None:
    torrent = Torrent()
    listener, other = torrent.peer(1), torrent.peer(2)
    torrent.hear(listener, [introduction()])
    torrent.hear(other, [introduction(p=7000)])
    torrent.exchange.tend(NOW)
    assert told(listener)
    torrent.exchange.leave(other)
    torrent.exchange.tend(NOW + 59)
    assert not told(listener)
    torrent.exchange.tend(NOW + 60)
    assert told(listener) == [PexMessage({}, (Endpoint("10.0.0.2", 7000),))]


def test_who_did_not_ask_for_it_is_told_nothing() -> None:
    torrent = Torrent()
    listener, other = torrent.peer(1), torrent.peer(2)
    torrent.hear(other, [introduction(p=7000)])
    torrent.hear(listener, [introduction(), Extended(HANDSHAKE_ID, ExtensionHandshake(m={UT_PEX: 0}).encode())])
    torrent.exchange.tend(NOW)
    assert not told(listener)


def test_seeds_that_part_remember_a_few_of_each_other_for_those_who_come() -> None:
    torrent = Torrent()
    assert torrent.exchange.book is not None
    torrent.exchange.book.want(0)
    for number in range(1, 40):
        seed = torrent.peer(number)
        torrent.hear(seed, [HaveAll(), introduction(p=7000)])
        torrent.exchange.tend(NOW)
        assert seed.closing
        torrent.exchange.leave(seed)
    listener = torrent.peer(50)
    torrent.hear(listener, [introduction()])
    torrent.exchange.tend(NOW)
    latest = {Endpoint(f"10.0.0.{number}", 7000): PexFlag.SEED for number in range(15, 40)}
    assert told(listener) == [PexMessage(latest)]
    torrent.exchange.tend(NOW + 60)
    assert told(listener) == [PexMessage({}, tuple(latest))]


def test_nobody_is_told_while_the_torrent_may_yet_be_private() -> None:
    torrent = Torrent(None)
    listener = torrent.peer(1)
    torrent.hear(torrent.peer(2), [introduction(p=7000)])
    torrent.hear(listener, [introduction()])
    torrent.exchange.tend(NOW)
    assert not told(listener)
    torrent.begin()
    torrent.exchange.tend(NOW + 1)
    assert told(listener)


# -- being told ------------------------------------------------------------------------------------------------------


def named_to(torrent: Torrent) -> list[tuple[Endpoint, str]]:
    named: list[tuple[Endpoint, str]] = []
    torrent.exchange.acquaintance.on_named = lambda endpoint, by, is_seed: named.append((endpoint, by))
    return named


def test_whom_a_peer_names_is_a_candidate_of_its_share_unless_it_is_a_peer_already() -> None:
    torrent = Torrent()
    named = named_to(torrent)
    torrent.hear(torrent.peer(2), [introduction(p=7000)])
    torrent.hear(torrent.peer(1), [gossip(Endpoint("10.0.0.2", 7000), Endpoint("93.184.216.1", 1))])
    assert named == [(Endpoint("93.184.216.1", 1), "10.0.0.1")]


def test_a_public_peer_knows_nobody_in_private_networks() -> None:
    torrent = Torrent()
    named = named_to(torrent)
    peer = torrent.peer(1)
    peer.endpoint = Endpoint("93.184.216.34", 1)
    torrent.hear(peer, [gossip(*(Endpoint(ip, 80) for ip in ("10.0.0.9", "127.0.0.1", "169.254.1.1", "0.0.0.0")))])
    assert not named


def test_a_flood_of_gossip_is_not_even_read() -> None:
    torrent = Torrent()
    named = named_to(torrent)
    rubbish = Extended(OUR_UT_PEX, b"rubbish")
    torrent.hear(torrent.peer(1), [*(gossip(Endpoint(f"93.184.216.{n}", 1)) for n in range(9)), rubbish])
    assert len(named) == 3


def test_what_two_peers_say_of_our_address_is_enough_not_to_dial_ourselves() -> None:
    torrent = Torrent()
    torrent.exchange.introduction.reach = Reach(6881)
    for number in (1, 2):
        torrent.hear(torrent.peer(number), [introduction(yourip="93.184.216.34")])
    torrent.exchange.tend(NOW)
    add = torrent.exchange._company.candidates.add
    assert not add(Endpoint("93.184.216.34", 6881), Source.PEX, NOW, "10.0.0.1")
    assert add(Endpoint("93.184.216.34", 6882), Source.PEX, NOW, "10.0.0.1")


# -- BEP 21 ----------------------------------------------------------------------------------------------------------


def test_we_say_so_once_when_we_want_nothing_more_and_when_we_do_again() -> None:
    torrent = Torrent()
    assert torrent.exchange.book is not None
    peer = torrent.peer(1)
    torrent.hear(peer, [Interested()])
    everything = torrent.exchange.book.wanted
    for wanted, expected in ((0, [True]), (0, []), (everything, [False])):
        torrent.exchange.book.want(wanted)
        torrent.exchange.tend(NOW)
        assert [each.upload_only for each in introductions(peer)] == expected


@pytest.mark.parametrize("seeding", [True, False])
def test_partial_seeds_part_with_each_other_and_with_nobody_else(seeding: bool) -> None:
    torrent = Torrent()
    assert torrent.exchange.book is not None
    if seeding:
        torrent.exchange.book.want(0)
    done, silent, asking = (torrent.peer(number) for number in (1, 2, 3))
    torrent.hear(done, [Have(1), introduction(upload_only=True)])
    torrent.hear(silent, [Have(1), introduction()])
    torrent.hear(asking, [Have(1), introduction(upload_only=True), Interested()])
    torrent.exchange.tend(NOW)
    assert [bool(peer.closing) for peer in (done, silent, asking)] == [seeding, False, False]


# -- BEP 54 ----------------------------------------------------------------------------------------------------------


def availability(torrent: Torrent) -> int:
    assert torrent.exchange.book is not None
    return torrent.exchange.book.picker.availability.absent


def test_a_piece_that_is_gone_is_not_counted_nor_asked_for_and_may_come_back() -> None:
    torrent = Torrent()
    peer = torrent.peer(1)
    torrent.hear(peer, [Have(3), Have(4)])
    assert peer.am_interested
    torrent.hear(peer, [lost(3), lost(4), lost(4), lost(5)])
    assert availability(torrent) == pieces.everything(40)
    assert not peer.am_interested
    torrent.hear(peer, [Unchoke()])
    assert not asked(peer)
    torrent.hear(peer, [Have(3)])
    assert {request.block.piece for request in asked(peer)} == {3}
    torrent.exchange.leave(peer)
    assert availability(torrent) == pieces.everything(40)


def test_of_one_read_the_last_word_on_a_piece_counts() -> None:
    torrent = Torrent()
    peer = torrent.peer(1)
    torrent.hear(peer, [Have(3), lost(3), Have(3), Have(4), Have(0), lost(0), lost(4)])
    assert peer.pieces == 1 << 3
    assert availability(torrent) == pieces.everything(40) & ~(1 << 3)


@pytest.mark.parametrize("fast", [False, True])
def test_blocks_of_a_lost_piece_are_asked_of_others_where_they_are_not_rejected_by_name(fast: bool) -> None:
    torrent = Torrent()
    peer, other = torrent.peer(1, fast=fast), torrent.peer(2)
    torrent.hear(peer, [Have(3), Unchoke()])
    assert asked(peer)
    torrent.hear(peer, [lost(3)])
    torrent.hear(other, [Have(3), Unchoke()])
    assert torrent.exchange.book is not None
    assert torrent.exchange.book.owed(peer) == (2 if fast else 0)
    assert len(asked(other)) == 2  # with BEP 6, as the endgame's second copies


def test_a_loss_before_the_metadata_counts_once_it_is_known() -> None:
    torrent = Torrent(None)
    peer, other = torrent.peer(1), torrent.peer(2)
    torrent.hear(peer, [HaveAll()])
    torrent.hear(peer, [lost(3), lost(4)])
    torrent.hear(peer, [Have(4)])
    torrent.hear(other, [Have(4)])
    torrent.hear(other, [lost(4)])
    torrent.begin()
    assert peer.pieces == pieces.everything(40) & ~(1 << 3)
    assert other.pieces == 0
    assert availability(torrent) == 1 << 3


@pytest.mark.parametrize("known", [True, False])
def test_a_loss_out_of_range_or_shape_ends_the_connection(known: bool) -> None:
    torrent = Torrent(METAINFO if known else None)
    for nonsense in (lost(40 if known else MAX_PIECES), Extended(OUR_LT_DONTHAVE, b"\0\0\1")):
        with pytest.raises(WireError):
            torrent.hear(torrent.peer(1), [nonsense])


THEIR_DONTHAVE = 11


def losses_told(peer: Peer) -> list[int]:
    messages = [each for each in said(peer) if isinstance(each, Extended) and each.id == THEIR_DONTHAVE]
    return [decode_dont_have(message.payload) for message in messages]


def listens(m: dict[str, int] | None = None) -> Extended:
    ids = {LT_DONTHAVE: THEIR_DONTHAVE} if m is None else m
    return Extended(HANDSHAKE_ID, ExtensionHandshake(m=ids).encode())


def test_who_lacks_what_we_have_lost_is_told_and_told_again_when_it_is_back() -> None:
    torrent = Torrent(None)
    torrent.begin(have=0b1111)
    lacking, having, deaf = (torrent.peer(number) for number in (1, 2, 3))
    for peer, message in ((lacking, listens()), (having, listens()), (deaf, listens({}))):
        torrent.hear(peer, [message])
    torrent.hear(having, [Have(1)])
    for peer in (lacking, having, deaf):
        said(peer)
    torrent.exchange.doubt(0b10110)
    assert torrent.exchange.have == 0b1001
    assert losses_told(lacking) == [1, 2], "never of what we did not have"
    assert losses_told(having) == [2]
    assert not said(deaf)
    torrent.exchange.restore(2)
    assert said(lacking) == [Have(2)]


def test_however_much_is_lost_a_peer_is_not_flooded_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magnetite.swarm.peer_extensions.MOST_LOSSES", 7)
    torrent = Torrent(None)
    torrent.begin(have=pieces.everything(40))
    peer = torrent.peer()
    torrent.hear(peer, [listens()])
    said(peer)
    torrent.exchange.doubt(pieces.everything(40))
    assert losses_told(peer) == list(range(7))


# -- on the network --------------------------------------------------------------------------------------------------


async def test_who_knows_one_peer_learns_of_the_others_and_downloads_from_them(fabric: Fabric) -> None:
    """The one in the middle gives nothing itself, so that everything comes from whom it names."""
    data = content(400_000)
    metainfo = torrent_of(data)
    storage = MemoryStorage(metainfo)
    events: list[Event] = []
    async with (
        client_at(fabric, "10.0.0.3") as seed,
        client_at(fabric, "10.0.0.2") as middle,
        client_at(fabric, "10.0.0.1", observe=events.append) as leech,
    ):
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        knowing = await middle.add(metainfo, storage=using(MemoryStorage(metainfo)), peers=[("10.0.0.3", PORT)])
        with trio.fail_after(30):
            await knowing.completed()  # and it parts with the seed, as seeds do
            await trio.sleep(2)
        knowing.pause()
        download = await leech.add(metainfo, storage=using(storage), peers=[("10.0.0.2", PORT)])
        with trio.fail_after(30):
            await download.completed()
    assert await bytes_of(storage, metainfo) == data
    found = {event.endpoint: event.source for event in events if isinstance(event, PeerFound)}
    assert found == {Endpoint("10.0.0.2", PORT): Source.USER, Endpoint("10.0.0.3", PORT): Source.PEX}
    connected = {event.endpoint: event.source for event in events if isinstance(event, PeerConnected)}
    assert connected[Endpoint("10.0.0.3", PORT)] is Source.PEX


async def test_a_bare_info_hash_is_enough_where_gossip_leads_to_the_metadata(fabric: Fabric) -> None:
    """Whom we were pointed to names the seed, and neither has nor gives anything itself."""
    data = content(400_000)
    metainfo = torrent_of(data)
    storage = MemoryStorage(metainfo)
    async with client_at(fabric, "10.0.0.3") as seed, client_at(fabric, "10.0.0.1") as leech:
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        download = await leech.add(str(metainfo.info_hash), storage=using(storage))
        puppet = await dial(fabric.host("10.0.0.2"), "10.0.0.1", metainfo.info_hash)
        await puppet.say(gossip(Endpoint("10.0.0.3", PORT)))
        with trio.fail_after(30):
            await download.completed()
    assert await bytes_of(storage, metainfo) == data
