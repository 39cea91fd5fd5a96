"""One torrent among its peers, from the first endpoint to the last piece and on: the tasks around an Exchange."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeAlias

import trio

from magnetite.errors import Reason, StorageError
from magnetite.events import (
    ChecksFinished,
    DownloadCompleted,
    MetadataFetched,
)
from magnetite.ids import InfoHash
from magnetite.net.base import Buffer
from magnetite.storage.base import Storage
from magnetite.storage.resume import ResumeData
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.choker import CHOKE_INTERVAL
from magnetite.swarm.commit_queue import CommitQueue
from magnetite.swarm.connection import Connection, converse
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.keeper import Keeper, Remember, forget
from magnetite.swarm.membership import Membership, Site
from magnetite.swarm.peer import Peer
from magnetite.swarm.survey import Survey, survey
from magnetite.torrent.metainfo import Metainfo, decode_info, refuse_private
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.selection import FileSelection

log = logging.getLogger(__name__)

COMMITTERS = 4  # pieces on their way to the disk at once; two worker threads hash and write
TEND_EVERY = 1.0  # seconds
TURNOVER_EVERY = 30.0  # seconds; everybody's optimistic unchoke needs time to come round to us
EVERY_FILE = FileSelection()

OpenStorage: TypeAlias = Callable[[Metainfo, frozenset[int]], AbstractAsyncContextManager[Storage]]


class Swarm:
    """One torrent's candidates, connections and pieces. `run` is its life; leaving it ends everything.

    `members` brings peers in. The three events happen once each, in this order.
    """

    def __init__(self, info_hash: InfoHash, site: Site) -> None:
        self.info_hash = info_hash
        self.metainfo: Metainfo | None = None
        self.metadata_known = trio.Event()
        self.checked = trio.Event()
        self.completed = trio.Event()
        candidates = CandidatePool(site.scope)
        self.exchange = Exchange(info_hash, candidates, site.rng, site.emit)
        self.members = Membership(site, self.exchange, candidates, self._converse)
        self.survey = Survey()
        self._emit = site.emit
        self._commits = CommitQueue()
        self._storage: Storage | None = None
        self._unreadable: StorageError | None = None
        self._became_unreadable = trio.Event()
        self._metadata: bytes | None = None
        self._metadata_verified = trio.Event()
        self._added_at = trio.current_time()
        self.exchange.listen_port = site.listen_port
        self.exchange.dht_port = site.dht_port
        self.exchange.on_completed = self._commits.put
        self.exchange.on_metadata = self._on_metadata

    # -- the straight line -------------------------------------------------------------------------------------------

    async def fetch_metadata(self) -> Metainfo:
        """Find the metadata and nothing else. Never gives up by itself.

        Raises InvalidMetainfo or PrivateTorrent, in a group.
        """
        with self._parting():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.members.dial_forever)
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
                nursery.start_soon(self.members.dial_forever)
                nursery.start_soon(self._tend_forever)
                nursery.start_soon(self._rechoke_forever)
                nursery.start_soon(self.members.turn_over_forever)
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
        try:
            yield
        finally:
            self.members.dismiss_all()

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

    async def _converse(self, peer: Peer, connection: Connection) -> None:
        await converse(peer, connection, self.exchange, self._commits, self._read_block)

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

    async def _commit_forever(self, storage: Storage, keeper: Keeper) -> None:
        while True:
            partial = await self._commits.take()
            if await storage.commit(partial.piece, partial.buffer):
                self.exchange.on_verified(partial, trio.current_time())
                keeper.on_verified(partial.length)
            else:
                self.exchange.on_failed(partial, trio.current_time())
