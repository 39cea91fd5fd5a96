"""One torrent among its peers, from the first endpoint to the last piece and on: the tasks around an Exchange."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

import trio

from magnetite.errors import Reason, StorageError
from magnetite.events import (
    ChecksFinished,
    DownloadCompleted,
    MetadataFetched,
    TorrentPaused,
    TorrentResumed,
)
from magnetite.ids import InfoHash
from magnetite.net.base import Buffer
from magnetite.storage.base import OpenStorage, Whole
from magnetite.storage.resume import ResumeData
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.choker import CHOKE_INTERVAL
from magnetite.swarm.commit_queue import CommitQueue
from magnetite.swarm.connection import converse
from magnetite.swarm.disk import Disk, Lost
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.explain import DhtView, Snapshot, Tally
from magnetite.swarm.greeting import Connection
from magnetite.swarm.keeper import Keeper, Remember, forget
from magnetite.swarm.membership import Membership, Site
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import Peer
from magnetite.swarm.preference import Preference
from magnetite.swarm.survey import Survey, survey
from magnetite.swarm.throttle import Throttles
from magnetite.torrent.metainfo import Metainfo, decode_info, refuse_private
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.selection import FileSelection

log = logging.getLogger(__name__)

COMMITTERS = 2  # batches on their way to the disk at once, one a thread: what comes meanwhile makes up the next
TEND_EVERY = 1.0  # seconds
EVERY_FILE = FileSelection()


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
        candidates = CandidatePool(site.local)
        self.exchange = Exchange(info_hash, candidates, site.rng, site.emit, site.make_choker)
        self.exchange.blocks.make_picker = site.make_picker
        self.members = Membership(site, self.exchange, candidates, self._converse)
        self.survey = Survey()
        self._emit = site.emit
        self._commits = CommitQueue()
        self._disk: Disk | None = None
        self._unreadable: StorageError | None = None
        self._became_unreadable = trio.Event()
        self._metadata: bytes | None = None
        self._metadata_verified = trio.Event()
        self._resumed = trio.lowlevel.ParkingLot()
        self._extended = trio.lowlevel.ParkingLot()
        self._search_wanted = trio.lowlevel.ParkingLot()
        self._selection: FileSelection | None = None  # the user's, since it was added
        self._keeper: Keeper | None = None
        self._added_at = trio.current_time()
        self.exchange.introduction.reach = site.reach
        self.exchange.introduction.dht_port = site.dht_port
        self.exchange.introduction.has_utp = self.exchange.punching.is_enabled = site.utp is not None
        self.exchange.throttles = Throttles(shared=site.throttles)
        self.exchange.blocks.on_completed = self._commits.put
        self.exchange.metadata.on_fetched = self._on_metadata
        self.exchange.on_present = self._on_present
        self._awaited: dict[int, trio.Event] = {}  # pieces that somebody waits to read
        self._preference = Preference()

    def snapshot(self, tally: Tally, dht: DhtView | None) -> Snapshot:
        """All that tells why it moves, or does not; see `swarm.explain`."""
        exchange, book, now = self.exchange, self.exchange.book, trio.current_time()
        useful = [peer for peer in exchange.peers if book and peer.pieces & book.missing]
        return Snapshot(
            tally,
            dht,
            paused=exchange.paused,
            has_metadata=self.metainfo is not None,
            is_checked=self.checked.is_set(),
            is_complete=exchange.is_seeding,
            peers=len(exchange.peers),
            ways=dict(self.members.ways),
            known=len(self.members.candidates),
            dialling=self.members.dialling,
            may_dial=self.members.has_place,
            missing=book.missing.bit_count() if book else 0,
            absent=(book.missing & book.picker.availability.absent).bit_count() if book else 0,
            useful=len(useful),
            choking=sum(peer.peer_choking for peer in useful),
            asked=sum(book.owed(peer) > 0 for peer in useful) if book else 0,
            snubbing=sum(peer.pipeline.is_snubbed for peer in useful),
            interested=sum(peer.peer_interested for peer in exchange.peers),
            unchoked=sum(peer.peer_interested and not peer.am_choking for peer in exchange.peers),
            unwritten=len(self._commits),
            download_rate=sum(peer.downloaded.rate(now) for peer in exchange.peers),
            upload_rate=sum(peer.uploaded.rate(now) for peer in exchange.peers),
            limits=exchange.throttles.effective,
        )

    # -- pause -------------------------------------------------------------------------------------------------------

    def pause(self, reason: Reason, detail: str = "") -> None:
        """Stop trading until `resume`; peers stay. Reason.PAUSED_BY_USER replaces another, nothing replaces it."""
        if self.exchange.pause(reason, detail):
            self._commits.open(True)
            self._emit(TorrentPaused(trio.current_time(), self.info_hash, reason, detail))

    def resume(self) -> None:
        """Go on after a pause, whatever its reason was."""
        now = trio.current_time()
        if self.exchange.resume(now):
            self._commits.open(False)
            self._emit(TorrentResumed(now, self.info_hash))
            self._resumed.unpark_all()
            self.members.look_again()

    async def until_resumed(self) -> None:
        """Returns when it is not paused; not a checkpoint if it is not."""
        while self.exchange.paused is not None:
            await self._resumed.park()

    # -- selection ---------------------------------------------------------------------------------------------------

    def select(self, selection: FileSelection) -> None:
        """These files are wanted from now on; what is there of others stays. `completed` may become a new event.

        Raises LocalProtocolError if none of the torrent's files is selected, once they are known.
        """
        wanted = selection.indices(self.metainfo) if self.metainfo else frozenset()
        self._selection = selection
        if self.metainfo is None or self._keeper is None or self._disk is None:
            return
        self._disk.want(wanted)
        self.exchange.select(PieceMap(self.metainfo).pieces_of(wanted), trio.current_time())
        while self._awaited:  # what somebody waits to read may not be wanted any more
            self._awaited.popitem()[1].set()
        if self.exchange.is_seeding:
            self._keeper.flush_soon()  # it looks whether this is all, and makes what is empty
            return
        if self.completed.is_set():
            self.completed = trio.Event()
        self._extended.unpark_all()
        self._search_wanted.unpark_all()
        self.members.look_again()

    def prefer(self, preference: Preference) -> None:
        """Raises LocalProtocolError if it selects none of the torrent's files, once they are known."""
        if self.metainfo is not None:
            self.exchange.blocks.pick_by(preference.order_for(self.metainfo))
        self._preference = preference

    async def until_extended(self) -> None:
        """Returns when files are selected that are not there."""
        await self._extended.park()

    def flush_soon(self) -> None:
        """There is something to be made safe, or to be looked at again, whether this is all."""
        if self._keeper is not None:
            self._keeper.flush_soon()

    async def until_search_wanted(self) -> None:
        """Returns when somebody is to be found, or to be told, out of turn."""
        await self._search_wanted.park()

    def tell_port(self) -> None:
        """Others reach us at another port: tell peers at once, and the DHT as soon as may be."""
        self.exchange.introduction.introduce_again()
        self._search_wanted.unpark_all()

    # -- the straight line -------------------------------------------------------------------------------------------

    async def fetch_metadata(self) -> Metainfo:
        """Find the metadata and nothing else. Never gives up by itself.

        Raises InvalidMetainfo or PrivateTorrent, in a group.
        """
        with self._parting():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.members.dial_forever)
                nursery.start_soon(self.members.meet_forever)
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
                nursery.start_soon(self.members.meet_forever)
                nursery.start_soon(self._tend_forever)
                nursery.start_soon(self._rechoke_forever)
                nursery.start_soon(self.members.turn_over_forever)
                if metainfo is None:
                    self.exchange.blocks.has_nothing = True
                    metainfo = await self._await_metadata()
                else:
                    self._accept(metainfo)
                wanted = (self._selection or selection).indices(metainfo)
                async with open_storage(metainfo, wanted) as storage:
                    disk = Disk(storage, metainfo, self, self._emit)
                    findings = await survey(disk, metainfo, resume, self.survey)
                    now = trio.current_time()
                    have, checked = findings.have.bit_count(), findings.checked.bit_count()
                    self._emit(ChecksFinished(now, self.info_hash, have, checked))
                    piece_map = PieceMap(metainfo)
                    self._disk = disk
                    wanted = (self._selection or selection).indices(metainfo)  # it may have changed meanwhile
                    disk.want(wanted)
                    self.exchange.blocks.pick_by(self._preference.order_for(metainfo))
                    self.exchange.blocks.new_buffer = storage.new_buffer
                    self.exchange.begin(metainfo, piece_map, piece_map.pieces_of(wanted), findings.have, now)
                    self._keeper = Keeper(disk, metainfo, self.exchange, remember, resume)
                    self.checked.set()
                    await self._trade(disk, self._keeper)

    async def _trade(self, disk: Disk, keeper: Keeper) -> None:
        """Blocks come and go, until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keeper.watch)
                nursery.start_soon(disk.watch)
                nursery.start_soon(self._end_when_unreadable)
                nursery.start_soon(self._commit_forever, disk, keeper)
                while True:
                    await keeper.until_complete()
                    have, doubts = self.exchange.have, disk.doubts
                    await keeper.flush()  # complete is what is on the disk itself, under its own name,
                    await disk.settle()  # where it is to stay
                    if disk.doubts == doubts and not self.exchange.lacks(have):  # nothing else is wanted meanwhile
                        now = trio.current_time()
                        downloaded, _ = self.exchange.totals
                        self._emit(DownloadCompleted(now, self.info_hash, downloaded, now - self._added_at))
                        self.completed.set()
                        await self.until_extended()
        finally:
            self._disk = None
            with trio.CancelScope(shield=True):
                await keeper.flush_once()

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
        self.exchange.metadata.stop()  # what is on disk may have to be looked at first, but there is nothing to fetch
        self.metainfo = metainfo
        self.metadata_known.set()

    def _on_metadata(self, metadata: bytes) -> None:
        self._metadata = metadata
        self._metadata_verified.set()

    def _converse(self, peer: Peer, connection: Connection) -> Awaitable[None]:
        return converse(peer, connection, self.exchange, self._commits, self.read_block)

    async def read_block(self, piece: int, begin: int, length: int) -> Buffer:
        """Bytes of a verified piece. Raises StorageError."""
        if self._disk is None:
            raise StorageError(reason=Reason.SHUTTING_DOWN)
        try:
            return await self._disk.read(piece, begin, length)
        except Lost:
            raise
        except StorageError as error:
            self._unreadable = error
            self._became_unreadable.set()
            raise

    def arrival_of(self, piece: int) -> trio.Event:
        """Set as soon as the piece is verified and written, which it is not yet."""
        return self._awaited.setdefault(piece, trio.Event())

    def _on_present(self, piece: int) -> None:
        if (arrival := self._awaited.pop(piece, None)) is not None:
            arrival.set()

    # -- the tasks ---------------------------------------------------------------------------------------------------

    async def _end_when_unreadable(self) -> None:
        """What was verified cannot be read any more: that is our fault, and of no peer that happened to ask for it."""
        await self._became_unreadable.wait()
        assert self._unreadable is not None
        raise self._unreadable

    async def _tend_forever(self) -> None:
        while True:
            await self.members.until_somebody()  # a thousand idle torrents are to cost nothing
            await trio.sleep(TEND_EVERY)
            self.exchange.tend(trio.current_time())

    async def _rechoke_forever(self) -> None:
        while True:
            await self.members.until_somebody()
            await trio.sleep(CHOKE_INTERVAL)
            self.exchange.rechoke(trio.current_time())

    async def _commit_forever(self, disk: Disk, keeper: Keeper) -> None:
        """Pieces to the disk, a task a batch: an idle torrent has none waiting for it."""
        places = trio.Semaphore(COMMITTERS)
        async with trio.open_nursery() as nursery:
            while True:
                await places.acquire()
                nursery.start_soon(self._commit, await self._commits.take(), disk, keeper, places)

    async def _commit(
        self, taken: list[PartialPiece[Peer]], disk: Disk, keeper: Keeper, places: trio.Semaphore
    ) -> None:
        verdicts = await disk.commit([Whole(partial.piece, partial.buffer) for partial in taken])
        now = trio.current_time()
        right = [partial for partial, is_right in zip(taken, verdicts, strict=True) if is_right]
        if right:
            self.exchange.on_verified(right, now)
            keeper.on_verified(sum(partial.length for partial in right))
        for partial, is_right in zip(taken, verdicts, strict=True):
            if not is_right:
                self.exchange.on_failed(partial, now)
        places.release()
