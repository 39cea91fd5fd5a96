"""Who is a torrent's peer: whom we dial, who is let in, and who makes way for others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TypeAlias

import trio

from magnetite.endpoint import Endpoint, Scope
from magnetite.errors import MagnetiteError, NetworkError, Reason, RemoteProtocolError
from magnetite.events import Emit, PeerClosed, PeerConnected, PeerConnecting, PeerFailed, PeerFound, Source, WayFailed
from magnetite.ids import PeerId
from magnetite.net.base import Network, Transport
from magnetite.pacer import Pacer
from magnetite.swarm.candidates import RETRY_LOST, CandidatePool
from magnetite.swarm.choker import MakeChoker, TitForTat
from magnetite.swarm.dialling import Dialler
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.greeting import Connection, Security
from magnetite.swarm.peer import Peer
from magnetite.swarm.picker import MakePicker, PiecePicker
from magnetite.swarm.places import Places
from magnetite.swarm.reach import Reach
from magnetite.swarm.throttle import Throttles
from magnetite.ways import Carrier, Cipher, Way
from magnetite.wire.handshake import Handshake

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds; places that other torrents give back are not announced
SEED_LOOK_EVERY = 60.0  # seconds; as above, and some of its own pieces may be lost
SEED_DIAL_RATE = 1.0  # dials/s of all seeds of a client together: a thousand idle ones are to cost nothing
SEED_DIALS = 4  # under way in one torrent, and at once after a quiet time
TURNOVER_EVERY = 30.0  # seconds; everybody's optimistic unchoke needs time to come round to us
MEETINGS = 8  # that wait to be dialled; whoever brings more together finds nobody here

Converse: TypeAlias = Callable[[Peer, Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Site:
    """What all swarms of one client share: identity, way out, and limits."""

    network: Network
    peer_id: PeerId
    security: Security
    local: tuple[Endpoint, ...]  # what our sockets are bound to
    reach: Reach
    dht_port: int | None
    places: Places
    pacer: Pacer
    rng: Random
    emit: Emit
    throttles: Throttles = field(default_factory=Throttles)
    seed_pacer: Pacer = field(default_factory=lambda: Pacer(SEED_DIAL_RATE, burst=SEED_DIALS))
    utp: Transport | None = None  # None: peers are reached by TCP alone
    make_choker: MakeChoker[Peer] = TitForTat
    make_picker: MakePicker = PiecePicker


class Membership:
    """Candidates, dials, and the admission of whoever has shaken hands. A peer is one while `serve` runs.

    `dialling` are the candidates that have been picked and are not connected yet; `ways` tell how the peers are.
    """

    def __init__(self, site: Site, exchange: Exchange, candidates: CandidatePool, converse: Converse) -> None:
        self.candidates = candidates
        self.dialling = 0
        self.ways: Counter[tuple[Carrier, Cipher]] = Counter()
        self._site = site
        self._dialler = Dialler(site.network, site.utp, site.security)
        self._exchange = exchange
        self._converse = converse
        self._info_hash = exchange.info_hash
        self._emit = site.emit
        self._changed = trio.lowlevel.ParkingLot()  # candidates, or places
        self._joined = trio.lowlevel.ParkingLot()
        self._is_over = False
        self._meeting: set[Endpoint] = set()  # to be dialled, or being dialled, because somebody brought us together
        self._met, self._to_meet = trio.open_memory_channel[Endpoint](MEETINGS)
        exchange.acquaintance.on_named = self._add_gossip
        exchange.punching.on_meeting = self._meet
        for local in site.local:
            if local.scope is not Scope.NOWHERE:
                candidates.learn_own(local)

    def _add_gossip(self, endpoint: Endpoint, named_by: str, is_seed: bool) -> None:
        if not (is_seed and self._exchange.is_seeding):  # the room for gossip is small
            self.add(endpoint, Source.PEX, named_by)
        if is_seed:
            self.candidates.note_seed(endpoint)

    def add(self, endpoint: Endpoint, source: Source, named_by: str | None = None) -> bool:
        """Somebody named a peer of this torrent; `named_by` is the address of the peer that did, if it was one.

        Whether that is news.
        """
        now = trio.current_time()
        is_news = self.candidates.add(endpoint, source, now, named_by)
        if is_news:
            self._emit(PeerFound(now, self._info_hash, endpoint, source))
            self._changed.unpark_all()
        return is_news

    @property
    def handshake(self) -> Handshake:
        return Handshake(
            self._info_hash, self._site.peer_id, extensions=True, fast=True, dht=self._site.dht_port is not None
        )

    async def until_somebody(self) -> None:
        """Returns when a peer is connected; a checkpoint at any rate."""
        await trio.lowlevel.checkpoint()
        while not self._exchange.peers:
            await self._joined.park()

    @property
    def has_place(self) -> bool:
        """Whether one more may be dialled."""
        return self._site.places.may_dial(self.dialling + len(self._exchange.peers))

    def look_again(self) -> None:
        """Whom to dial may have changed, or whether to."""
        self._changed.unpark_all()

    def dismiss_all(self) -> None:
        """The peers go, also those that dialled us, whose tasks are not ours; nobody is let in any more."""
        self._is_over = True
        for peer in self._exchange.peers:
            peer.close(Reason.SHUTTING_DOWN)

    # -- admission ---------------------------------------------------------------------------------------------------

    async def serve(self, connection: Connection, source: Source) -> Peer | None:
        """Trade on a connection whose handshakes are done, until it ends; the stream is closed afterwards.

        With whom; None where it was refused.
        """
        now = trio.current_time()
        peer_id, endpoint = connection.handshake.peer_id, connection.stream.remote
        refusal = self._refusal(peer_id, endpoint, source)
        if refusal is not None:
            self._emit(PeerFailed(now, self._info_hash, endpoint, refusal, ""))
            await connection.stream.aclose()
            return None
        peer = Peer(endpoint, source, peer_id, connection.wire, now)
        peer.extensions.by_utp = connection.carrier is Carrier.UTP
        way = connection.carrier, connection.cipher
        self._emit(PeerConnected(now, self._info_hash, endpoint, source, peer.client, *way))
        self.ways[way] += 1
        self._exchange.join(peer, now)
        self._joined.unpark_all()
        try:
            with self._site.places.taken():
                await self._converse(peer, connection)
        finally:
            self.ways -= Counter((way,))  # and no zeros are kept
            self._exchange.leave(peer)
            self._note_end(peer)
        return peer

    def _refusal(self, peer_id: PeerId, endpoint: Endpoint, source: Source) -> Reason | None:
        if self._is_over:  # somebody who shook hands while we packed up
            return Reason.SHUTTING_DOWN
        if peer_id == self._site.peer_id:
            return Reason.OURSELVES
        if self.candidates.is_banned(endpoint.ip):
            return Reason.BANNED
        twin = self._twin(peer_id, endpoint)
        if twin is not None and not _is_callers_choice(endpoint, source, twin):
            if twin.endpoint.ip != endpoint.ip or not self._is_preferred(peer_id, source, twin.source):
                return Reason.DUPLICATE
            twin.close(Reason.DUPLICATE)  # and leaves its place to the new one
        elif source is Source.INCOMING and not self._has_place_for(endpoint):
            return Reason.TOO_MANY_PEERS
        return None

    def _has_place_for(self, caller: Endpoint) -> bool:
        if self._site.places.may_welcome(len(self._exchange.peers)):
            return True
        return self._exchange.turnover.make_room_for(caller, trio.current_time())

    def _twin(self, peer_id: PeerId, endpoint: Endpoint) -> Peer | None:
        """The connection we have with the same peer already: from this address, or from its one of the other family.

        Ids are no secret, so whoever comes from elsewhere with a peer's id does not take its place.
        """
        named = [peer for peer in self._exchange.peers if peer.peer_id == peer_id and not peer.closing]
        here = next((peer for peer in named if peer.endpoint.ip == endpoint.ip), None)
        return here or next((peer for peer in named if peer.endpoint.is_ipv6 is not endpoint.is_ipv6), None)

    def _is_preferred(self, peer_id: PeerId, new: Source, old: Source) -> bool:
        """Of two connections with one peer, whether the new one stays.

        Two peers that dial each other at the same moment must give up the same one of the two connections: the one
        that the peer with the larger id dialled stays.
        """
        if (new is Source.INCOMING) == (old is Source.INCOMING):
            return False
        return (new is Source.INCOMING) == (peer_id > self._site.peer_id)

    def _note_end(self, peer: Peer) -> None:
        reason, detail = peer.closing or (Reason.SHUTTING_DOWN, "")
        log.info("closed %s: %s %s", peer, reason.value, detail)
        downloaded, uploaded = peer.downloaded.total, peer.uploaded.total
        now = trio.current_time()
        self._emit(PeerClosed(now, self._info_hash, peer.endpoint, reason, detail, downloaded, uploaded))

    # -- tasks -------------------------------------------------------------------------------------------------------

    async def dial_forever(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                endpoint = await self._next_to_dial()
                await self._wait_turn()
                nursery.start_soon(self._dial, endpoint)

    async def _next_to_dial(self) -> Endpoint:
        """The next candidate, as soon as there is one and a place for it."""
        while True:
            now = trio.current_time()
            seeding, may_dial = self._exchange.is_seeding, self._may_dial()
            if may_dial and (endpoint := self._next_candidate(now, seeding)) is not None:
                self.dialling += 1
                return endpoint
            look_at = now + (SEED_LOOK_EVERY if seeding else LOOK_EVERY)
            if may_dial:
                due = self.candidates.next_due(seeding=seeding)
                look_at = min(due, look_at) if seeding else due
            with trio.move_on_at(look_at):
                await self._changed.park()

    def _next_candidate(self, now: float, seeding: bool) -> Endpoint | None:
        """Who is to be dialled, and has not come by itself."""
        while (endpoint := self.candidates.next(now, seeding=seeding)) is not None:
            if all(endpoint not in (peer.endpoint, peer.listens_at) for peer in self._exchange.peers):
                return endpoint
            self.candidates.released(endpoint, now)
        return None

    def _may_dial(self) -> bool:
        """Whether one more may be dialled by itself: by seeds few, for most who want something find them."""
        if self._exchange.paused is not None:
            return False
        if not self._exchange.is_seeding:
            return self.has_place
        engaged = self.dialling + len(self._exchange.peers)
        return self.dialling < SEED_DIALS and self._site.places.may_dial(engaged, seeding=True)

    async def _wait_turn(self) -> None:
        """Until one more dial is due; a seed's, long after it perhaps, unless it has come to want something."""
        if self._exchange.is_seeding:
            turn = self._site.seed_pacer.reserve(trio.current_time())
            while self._exchange.is_seeding and trio.current_time() < turn:
                with trio.move_on_at(turn):
                    await self._changed.park()
        await trio.sleep_until(self._site.pacer.reserve(trio.current_time()))

    async def _dial(self, endpoint: Endpoint) -> None:
        connection = await self._reach(endpoint)
        peer = None
        if connection is not None:
            peer = await self.serve(connection, self.candidates.source(endpoint))
        now = trio.current_time()
        if peer is None or (self._exchange.is_seeding and not peer.uploaded.total):
            self.candidates.failed(endpoint, now)
        elif peer.is_missed:
            self.candidates.released(endpoint, now, retry_after=RETRY_LOST)
        else:
            self.candidates.released(endpoint, now)
        self._changed.unpark_all()

    async def _reach(self, endpoint: Endpoint) -> Connection | None:
        """A connection on which hands are shaken; None if it did not come to that."""
        self._emit(PeerConnecting(trio.current_time(), self._info_hash, endpoint))
        try:
            with self._site.places.half_open():
                known = self.candidates.way(endpoint)
                connection = await self._dialler.dial(endpoint, self.handshake, known, partial(self._note, endpoint))
        except (NetworkError, RemoteProtocolError) as error:
            self._emit(PeerFailed(trio.current_time(), self._info_hash, endpoint, error.reason, str(error)))
            self._ask_for_meeting(endpoint)
            return None
        finally:
            self.dialling -= 1
        self.candidates.reached(endpoint, Way(connection.carrier, connection.cipher is not Cipher.PLAIN))
        return connection

    def _ask_for_meeting(self, endpoint: Endpoint) -> None:
        """Whoever named a peer that cannot be dialled may bring us together (BEP 55)."""
        named_by = self.candidates.named_by(endpoint)
        if named_by is not None:
            self._exchange.punching.ask(endpoint, named_by, trio.current_time())

    def _meet(self, endpoint: Endpoint) -> None:
        """Somebody dials us at this moment. A seed calls back, too, for whoever asked for it cannot do without."""
        if endpoint not in self._meeting and self.has_place and self._exchange.paused is None:
            with suppress(trio.WouldBlock):
                self._met.send_nowait(endpoint)
                self._meeting.add(endpoint)
                self.dialling += 1

    async def meet_forever(self) -> None:
        """Dial whom others bring us together with (BEP 55)."""
        async with trio.open_nursery() as nursery:
            async for endpoint in self._to_meet:
                nursery.start_soon(self._dial_met, endpoint)

    async def _dial_met(self, endpoint: Endpoint) -> None:
        self._emit(PeerConnecting(trio.current_time(), self._info_hash, endpoint))
        try:
            with self._site.places.half_open():
                connection = await self._dialler.punch(endpoint, self.handshake)
        except (NetworkError, RemoteProtocolError) as error:
            self._emit(PeerFailed(trio.current_time(), self._info_hash, endpoint, error.reason, str(error)))
            return
        finally:
            self.dialling -= 1
            self._meeting.discard(endpoint)
        await self.serve(connection, Source.HOLEPUNCH)

    def _note(self, endpoint: Endpoint, way: Way, error: MagnetiteError) -> None:
        self._emit(WayFailed(trio.current_time(), self._info_hash, endpoint, *way, error.reason, str(error)))

    async def turn_over_forever(self) -> None:
        """While every place is taken and others wait to be dialled, give one after the other a chance."""
        while True:
            await trio.sleep(TURNOVER_EVERY)
            now = trio.current_time()
            if not self._exchange.is_seeding and self._others_wait(now):
                self._exchange.turnover.make_way(now)

    def _others_wait(self, now: float) -> bool:
        return not self._may_dial() and self.candidates.next_due() <= now


def _is_callers_choice(endpoint: Endpoint, source: Source, twin: Peer) -> bool:
    """Whether somebody calls by both families at once: it keeps the call that it knows of first, which may be another
    than the first here, and were each of us to give up the other's, none would be left.
    """
    is_other_family = endpoint.is_ipv6 is not twin.endpoint.is_ipv6
    has_traded = twin.downloaded.total or twin.uploaded.total
    return source is twin.source is Source.INCOMING and is_other_family and not has_traded
