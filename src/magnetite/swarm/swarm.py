"""One torrent among its peers, from the first endpoint to the last piece and on: the tasks around an Exchange."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import trio

from magnetite.endpoint import Endpoint, Scope
from magnetite.errors import NetworkError, Reason, RemoteProtocolError, StorageError
from magnetite.events import (
    ChecksFinished,
    DownloadCompleted,
    Emit,
    MetadataFetched,
    PeerClosed,
    PeerConnected,
    PeerConnecting,
    PeerFailed,
    PeerFound,
    Source,
)
from magnetite.ids import InfoHash, PeerId
from magnetite.net.base import Buffer, Network
from magnetite.pacer import Pacer
from magnetite.storage.base import Storage
from magnetite.storage.resume import ResumeData
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.choker import CHOKE_INTERVAL
from magnetite.swarm.commit_queue import CommitQueue
from magnetite.swarm.connection import Connection, converse, dial
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.keeper import Keeper, Remember, forget
from magnetite.swarm.peer import Peer
from magnetite.swarm.places import Places
from magnetite.swarm.survey import Survey, survey
from magnetite.torrent.metainfo import Metainfo, decode_info, refuse_private
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.selection import FileSelection
from magnetite.wire.handshake import Handshake

log = logging.getLogger(__name__)

COMMITTERS = 4  # pieces on their way to the disk at once; two worker threads hash and write
TEND_EVERY = 1.0  # seconds
TURNOVER_EVERY = 30.0  # seconds; everybody's optimistic unchoke needs time to come round to us
EVERY_FILE = FileSelection()

OpenStorage: TypeAlias = Callable[[Metainfo, frozenset[int]], AbstractAsyncContextManager[Storage]]


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


class Swarm:
    """One torrent's candidates, connections and pieces. `run` is its life; leaving it ends everything.

    `add` and `serve` bring peers in. The three events happen once each, in this order.
    """

    def __init__(self, info_hash: InfoHash, site: Site) -> None:
        self.info_hash = info_hash
        self.metainfo: Metainfo | None = None
        self.metadata_known = trio.Event()
        self.checked = trio.Event()
        self.completed = trio.Event()
        self.candidates = CandidatePool(site.scope)
        self.exchange = Exchange(info_hash, self.candidates, site.rng, site.emit)
        self.dialling = 0
        self.survey = Survey()
        self._site = site
        self._emit = site.emit
        self._commits = CommitQueue()
        self._storage: Storage | None = None
        self._unreadable: StorageError | None = None
        self._became_unreadable = trio.Event()
        self._is_over = False
        self._metadata: bytes | None = None
        self._metadata_verified = trio.Event()
        self._candidates_changed = trio.lowlevel.ParkingLot()
        self._added_at = trio.current_time()
        self.exchange.listen_port = site.listen_port
        self.exchange.dht_port = site.dht_port
        self.exchange.on_completed = self._commits.put
        self.exchange.on_metadata = self._on_metadata

    def add(self, endpoint: Endpoint, source: Source) -> None:
        """Somebody named a peer of this torrent."""
        now = trio.current_time()
        if self.candidates.add(endpoint, source, now):
            self._emit(PeerFound(now, self.info_hash, endpoint, source))
            self._candidates_changed.unpark_all()

    @property
    def handshake(self) -> Handshake:
        return Handshake(
            self.info_hash, self._site.peer_id, extensions=True, fast=True, dht=self._site.dht_port is not None
        )

    # -- the straight line -------------------------------------------------------------------------------------------

    async def fetch_metadata(self) -> Metainfo:
        """Find the metadata and nothing else. Never gives up by itself.

        Raises InvalidMetainfo or PrivateTorrent, in a group.
        """
        with self._parting():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._dial_forever)
                nursery.start_soon(self._tend_forever)
                metainfo = await self._await_metadata()
                nursery.cancel_scope.cancel()
        return metainfo

    async def run(
        self,
        open_storage: OpenStorage,
        *,
        metainfo: Metainfo | None = None,
        selection: FileSelection = EVERY_FILE,
        resume: ResumeData | None = None,
        remember: Remember = forget,
    ) -> None:
        """Download, and give back until cancelled. With `metainfo` there is no metadata to be fetched first.

        Raises StorageError, InvalidMetainfo, PrivateTorrent or LocalProtocolError (nothing selected), in a group.
        """
        with self._parting():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._dial_forever)
                nursery.start_soon(self._tend_forever)
                nursery.start_soon(self._rechoke_forever)
                nursery.start_soon(self._turn_over_forever)
                if metainfo is None:
                    metainfo = await self._await_metadata()
                else:
                    self._accept(metainfo)
                wanted = selection.indices(metainfo)
                async with open_storage(metainfo, wanted) as storage:
                    findings = await survey(storage, metainfo, resume, self.survey)
                    now = trio.current_time()
                    have, checked = findings.have.bit_count(), findings.checked.bit_count()
                    self._emit(ChecksFinished(now, self.info_hash, have, checked))
                    piece_map = PieceMap(metainfo)
                    self._storage = storage
                    self.exchange.begin(metainfo, piece_map, piece_map.pieces_of(wanted), findings.have, now)
                    self.checked.set()
                    await self._trade(storage, Keeper(storage, metainfo, self.exchange, remember, resume))

    async def _trade(self, storage: Storage, keeper: Keeper) -> None:
        """Blocks come and go, until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keeper.watch)
                nursery.start_soon(self._end_when_unreadable)
                for _ in range(COMMITTERS):
                    nursery.start_soon(self._commit_forever, storage, keeper)
                await keeper.until_complete()
                await keeper.flush()  # complete is what is on the disk itself, under its own name
                now = trio.current_time()
                downloaded, _ = self.exchange.totals
                self._emit(DownloadCompleted(now, self.info_hash, downloaded, now - self._added_at))
                self.completed.set()
        finally:
            self._storage = None
            with trio.CancelScope(shield=True):
                await keeper.flush()

    @contextmanager
    def _parting(self) -> Iterator[None]:
        """At the end of the block the peers go, also those that dialled us, whose tasks are not ours."""
        try:
            yield
        finally:
            self._is_over = True
            for peer in self.exchange.peers:
                peer.close(Reason.SHUTTING_DOWN)

    async def _await_metadata(self) -> Metainfo:
        await self._metadata_verified.wait()
        assert self._metadata is not None
        metainfo = decode_info(self._metadata, self.info_hash)
        now = trio.current_time()
        self._emit(
            MetadataFetched(
                now,
                self.info_hash,
                metainfo.name,
                metainfo.length,
                len(metainfo.files),
                metainfo.piece_count,
                now - self._added_at,
            )
        )
        self._accept(metainfo)
        return metainfo

    def _accept(self, metainfo: Metainfo) -> None:
        refuse_private(metainfo)
        self.exchange.fetch = None  # what is on disk may have to be looked at first, but there is nothing to fetch
        self.metainfo = metainfo
        self.metadata_known.set()

    def _on_metadata(self, metadata: bytes) -> None:
        self._metadata = metadata
        self._metadata_verified.set()

    # -- peers -------------------------------------------------------------------------------------------------------

    async def serve(self, connection: Connection, source: Source) -> bool:
        """Trade on a connection whose handshakes are done, until it ends; the stream is closed afterwards.

        False where it was refused.
        """
        now = trio.current_time()
        peer_id, endpoint = connection.handshake.peer_id, connection.stream.remote
        refusal = self._refusal(peer_id, endpoint, source)
        if refusal is not None:
            self._emit(PeerFailed(now, self.info_hash, endpoint, refusal, ""))
            await connection.stream.aclose()
            return False
        peer = Peer(endpoint, source, peer_id, connection.wire, now)
        self._emit(PeerConnected(now, self.info_hash, endpoint, source, peer.client))
        self.exchange.join(peer, now)
        try:
            with self._site.places.taken():
                await converse(peer, connection, self.exchange, self._commits, self._read_block)
        finally:
            self.exchange.leave(peer)
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
        elif source is Source.INCOMING and not self._site.places.may_welcome(len(self.exchange.peers)):
            return Reason.TOO_MANY_PEERS
        return None

    def _twin(self, peer_id: PeerId, ip: str) -> Peer | None:
        """The connection we have with the same peer already."""
        for peer in self.exchange.peers:
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
        self._emit(PeerClosed(now, self.info_hash, peer.endpoint, reason, detail, downloaded, uploaded))

    async def _read_block(self, piece: int, begin: int, length: int) -> Buffer:
        if self._storage is None:
            raise StorageError(reason=Reason.SHUTTING_DOWN)
        try:
            return await self._storage.read(piece, begin, length)
        except StorageError as error:
            self._unreadable = error
            self._became_unreadable.set()
            raise

    # -- the tasks ---------------------------------------------------------------------------------------------------

    async def _dial_forever(self) -> None:
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
            with trio.move_on_at(self.candidates.next_due() if may_dial else now + TEND_EVERY):
                await self._candidates_changed.park()

    def _may_dial(self) -> bool:
        """Seeds wait to be called: who wants something finds us."""
        taken = self.dialling + len(self.exchange.peers)
        return not self.exchange.is_seeding and self._site.places.may_dial(taken)

    async def _dial(self, endpoint: Endpoint) -> None:
        served = await self._dial_and_serve(endpoint)
        now = trio.current_time()
        if served:
            self.candidates.released(endpoint, now)
        else:
            self.candidates.failed(endpoint, now)
        self._candidates_changed.unpark_all()

    async def _dial_and_serve(self, endpoint: Endpoint) -> bool:
        """Whether it became a peer."""
        self._emit(PeerConnecting(trio.current_time(), self.info_hash, endpoint))
        try:
            with self._site.places.taken():
                connection = await dial(self._site.network, endpoint, self.handshake, self._site.local_ip)
        except (NetworkError, RemoteProtocolError) as error:
            self._emit(PeerFailed(trio.current_time(), self.info_hash, endpoint, error.reason, str(error)))
            return False
        finally:
            self.dialling -= 1
        return await self.serve(connection, self.candidates.source(endpoint))

    async def _end_when_unreadable(self) -> None:
        """What was verified cannot be read any more: that is our fault, and of no peer that happened to ask for it."""
        await self._became_unreadable.wait()
        assert self._unreadable is not None
        raise self._unreadable

    async def _tend_forever(self) -> None:
        while True:
            await trio.sleep(TEND_EVERY)
            self.exchange.tend(trio.current_time())

    async def _rechoke_forever(self) -> None:
        while True:
            await trio.sleep(CHOKE_INTERVAL)
            self.exchange.rechoke(trio.current_time())

    async def _turn_over_forever(self) -> None:
        """While every place is taken and others wait to be dialled, give one after the other a chance."""
        while True:
            await trio.sleep(TURNOVER_EVERY)
            now = trio.current_time()
            if self.checked.is_set() and not self.exchange.is_seeding and self._others_wait(now):
                self.exchange.make_way(now)

    def _others_wait(self, now: float) -> bool:
        return not self._may_dial() and self.candidates.next_due() <= now

    async def _commit_forever(self, storage: Storage, keeper: Keeper) -> None:
        while True:
            partial = await self._commits.take()
            if await storage.commit(partial.piece, partial.buffer):
                self.exchange.on_verified(partial, trio.current_time())
                keeper.on_verified(partial.length)
            else:
                self.exchange.on_failed(partial, trio.current_time())
