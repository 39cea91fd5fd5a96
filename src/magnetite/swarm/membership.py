"""Who is a torrent's peer: whom we dial, who is let in, and who makes way for others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

import trio

from magnetite.endpoint import Endpoint, Scope
from magnetite.errors import NetworkError, Reason, RemoteProtocolError
from magnetite.events import Emit, PeerClosed, PeerConnected, PeerConnecting, PeerFailed, PeerFound, Source
from magnetite.ids import PeerId
from magnetite.net.base import Network
from magnetite.pacer import Pacer
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.connection import Connection, dial
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.peer import Peer
from magnetite.swarm.places import Places
from magnetite.swarm.throttle import Throttles
from magnetite.wire.handshake import Handshake

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds; places that other torrents give back are not announced
SEED_LOOK_EVERY = 60.0  # seconds; a seed dials nobody, until other files are selected or some of its own are lost
TURNOVER_EVERY = 30.0  # seconds; everybody's optimistic unchoke needs time to come round to us

Converse: TypeAlias = Callable[[Peer, Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Site:
    """What all swarms of one client share: identity, way out, and limits."""

    network: Network
    peer_id: PeerId
    scope: Scope  # of our own address
    local_ip: str | None
    listen_port: int | None
    dht_port: int | None
    places: Places
    pacer: Pacer
    rng: Random
    emit: Emit
    throttles: Throttles = field(default_factory=Throttles)


class Membership:
    """Candidates, dials, and the admission of whoever has shaken hands. A peer is one while `serve` runs.

    `dialling` are the candidates that have been picked and are not connected yet.
    """

    def __init__(self, site: Site, exchange: Exchange, candidates: CandidatePool, converse: Converse) -> None:
        self.candidates = candidates
        self.dialling = 0
        self._site = site
        self._exchange = exchange
        self._converse = converse
        self._info_hash = exchange.info_hash
        self._emit = site.emit
        self._changed = trio.lowlevel.ParkingLot()  # candidates, or places
        self._joined = trio.lowlevel.ParkingLot()
        self._is_over = False
        exchange.acquaintance.on_named = self._add_gossip
        if site.local_ip is not None and site.listen_port is not None:
            candidates.learn_own(Endpoint(site.local_ip, site.listen_port))

    def _add_gossip(self, endpoint: Endpoint, named_by: str) -> None:
        self.add(endpoint, Source.PEX, named_by)

    def add(self, endpoint: Endpoint, source: Source, named_by: str | None = None) -> None:
        """Somebody named a peer of this torrent; `named_by` is the address of the peer that did, if it was one."""
        now = trio.current_time()
        if self.candidates.add(endpoint, source, now, named_by):
            self._emit(PeerFound(now, self._info_hash, endpoint, source))
            self._changed.unpark_all()

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

    async def serve(self, connection: Connection, source: Source) -> bool:
        """Trade on a connection whose handshakes are done, until it ends; the stream is closed afterwards.

        False where it was refused.
        """
        now = trio.current_time()
        peer_id, endpoint = connection.handshake.peer_id, connection.stream.remote
        refusal = self._refusal(peer_id, endpoint, source)
        if refusal is not None:
            self._emit(PeerFailed(now, self._info_hash, endpoint, refusal, ""))
            await connection.stream.aclose()
            return False
        peer = Peer(endpoint, source, peer_id, connection.wire, now)
        self._emit(PeerConnected(now, self._info_hash, endpoint, source, peer.client))
        self._exchange.join(peer, now)
        self._joined.unpark_all()
        try:
            with self._site.places.taken():
                await self._converse(peer, connection)
        finally:
            self._exchange.leave(peer)
            self._note_end(peer)
        return True

    def _refusal(self, peer_id: PeerId, endpoint: Endpoint, source: Source) -> Reason | None:
        if self._is_over:  # somebody who shook hands while we packed up
            return Reason.SHUTTING_DOWN
        if peer_id == self._site.peer_id:
            return Reason.OURSELVES
        if self.candidates.is_banned(endpoint.ip):
            return Reason.BANNED
        twin = self._twin(peer_id, endpoint.ip)
        if twin is not None:
            if not self._is_preferred(peer_id, source, twin.source):
                return Reason.DUPLICATE
            twin.close(Reason.DUPLICATE)  # and leaves its place to the new one
        elif source is Source.INCOMING and not self._site.places.may_welcome(len(self._exchange.peers)):
            return Reason.TOO_MANY_PEERS
        return None

    def _twin(self, peer_id: PeerId, ip: str) -> Peer | None:
        """The connection we have with the same peer already."""
        for peer in self._exchange.peers:
            if peer.peer_id == peer_id and peer.endpoint.ip == ip and not peer.closing:
                return peer
        return None

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
                await trio.sleep_until(self._site.pacer.reserve(trio.current_time()))
                nursery.start_soon(self._dial, endpoint)

    async def _next_to_dial(self) -> Endpoint:
        """The next candidate, as soon as there is one and a place for it."""
        while True:
            now = trio.current_time()
            may_dial = self._may_dial()
            if may_dial and (endpoint := self.candidates.next(now)) is not None:
                self.dialling += 1
                return endpoint
            pause = SEED_LOOK_EVERY if self._exchange.is_seeding else LOOK_EVERY
            with trio.move_on_at(self.candidates.next_due() if may_dial else now + pause):
                await self._changed.park()

    def _may_dial(self) -> bool:
        """Seeds wait to be called: who wants something finds us."""
        return self._exchange.paused is None and not self._exchange.is_seeding and self.has_place

    async def _dial(self, endpoint: Endpoint) -> None:
        served = await self._dial_and_serve(endpoint)
        now = trio.current_time()
        if served:
            self.candidates.released(endpoint, now)
        else:
            self.candidates.failed(endpoint, now)
        self._changed.unpark_all()

    async def _dial_and_serve(self, endpoint: Endpoint) -> bool:
        """Whether it became a peer."""
        self._emit(PeerConnecting(trio.current_time(), self._info_hash, endpoint))
        try:
            with self._site.places.taken():
                connection = await dial(self._site.network, endpoint, self.handshake, self._site.local_ip)
        except (NetworkError, RemoteProtocolError) as error:
            self._emit(PeerFailed(trio.current_time(), self._info_hash, endpoint, error.reason, str(error)))
            return False
        finally:
            self.dialling -= 1
        return await self.serve(connection, self.candidates.source(endpoint))

    async def turn_over_forever(self) -> None:
        """While every place is taken and others wait to be dialled, give one after the other a chance."""
        while True:
            await trio.sleep(TURNOVER_EVERY)
            now = trio.current_time()
            if not self._exchange.is_seeding and self._others_wait(now):
                self._exchange.turnover.make_way(now)

    def _others_wait(self, now: float) -> bool:
        return not self._may_dial() and self.candidates.next_due() <= now
