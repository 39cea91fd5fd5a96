"""A BitTorrent client: the one place where the DHT, swarms, storage and the network meet."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import TypeAlias

import trio

from magnetite.background import background, first_of
from magnetite.dht.node import DhtNode
from magnetite.dht.peer_search import PeerSearch
from magnetite.dht.schedule import CONTENT_FOR, SEEDS_A_SECOND, SEEDS_AT_ONCE, announce_delay, search_delays
from magnetite.download import Download
from magnetite.endpoint import Endpoint
from magnetite.errors import LocalProtocolError, MagnetiteError, NetworkError, RemoteProtocolError
from magnetite.events import (
    Announced,
    DownloadFailed,
    Event,
    LookupFinished,
    LookupProgress,
    LookupStarted,
    Source,
    TorrentEvent,
)
from magnetite.hub import EventHub
from magnetite.ids import InfoHash
from magnetite.net.base import ByteStream, Listener
from magnetite.net.portmap.mapping import Lease
from magnetite.net.stand import Stand
from magnetite.net.utp.utp import Utp
from magnetite.pacer import Pacer
from magnetite.storage.base import Storage
from magnetite.storage.content import OPEN_FILES
from magnetite.storage.files import THREADS, open_storage
from magnetite.storage.open_files import OpenFiles
from magnetite.storage.resume import ResumeData
from magnetite.storage.resume_folder import ResumeFolder
from magnetite.storage.workers import Workers
from magnetite.swarm.doorkeeper import Doorkeeper
from magnetite.swarm.greeting import welcome
from magnetite.swarm.keeper import forget
from magnetite.swarm.membership import Site
from magnetite.swarm.swarm import OpenStorage, Swarm
from magnetite.swarm.throttle import Limits
from magnetite.torrent.magnet import MagnetLink, parse_info_hash, parse_magnet
from magnetite.torrent.metainfo import Metainfo, decode_info, refuse_private
from magnetite.torrent.selection import FileSelection
from magnetite.ways import Carrier
from magnetite.wire.handshake import Handshake

log = logging.getLogger(__name__)

CHECKED_WITHIN = 5.0  # seconds we wait to learn whether a torrent is complete, before others are asked for it

Address: TypeAlias = tuple[str, int]
"""A host, by name or address, and a port."""

Named: TypeAlias = tuple[Source, Address]

Torrent: TypeAlias = str | MagnetLink | Metainfo
"""What can be opened: a magnet link or bare info-hash as text, or what was parsed of one, or of a torrent."""


class Client:
    """Any number of torrents behind one port and one DHT node. Made by `open_client`."""

    def __init__(
        self,
        site: Site,
        node: DhtNode | None,
        events: EventHub,
        resume: ResumeFolder | None,
        storage: OpenStorage | None = None,
    ) -> None:
        self.node = node
        self.events = events
        self.downloads: dict[InfoHash, Download] = {}
        self._site = site
        self._resume = resume
        self._storage = storage
        self._swarms: dict[InfoHash, Swarm] = {}
        events.observe(self._count)
        self._doorkeeper = Doorkeeper()
        self._seed_turns = Pacer(SEEDS_A_SECOND, SEEDS_AT_ONCE)
        self._files = OpenFiles(OPEN_FILES)  # of all torrents together
        self._workers: Workers | None = None  # one set of threads for every torrent, when the first needs it
        self._begin, self._begun = trio.open_memory_channel[Callable[[], Awaitable[None]]](inf)

    @asynccontextmanager
    async def at_work(self, stand: Stand, utp: Utp | None, *, lsd: bool) -> AsyncIterator[None]:
        """As long as the block lasts callers are let in, and what is added runs. For `open_client`."""
        try:
            async with background() as nursery:
                for listener in stand.ports.listeners:
                    nursery.start_soon(self._accept_forever, listener)
                if utp is not None:
                    for task in utp.tasks(is_alone=self.node is None):
                        nursery.start_soon(task)
                    for port in utp.ports:
                        nursery.start_soon(self._accept_forever, port, Carrier.UTP)
                nursery.start_soon(self._run_forever)
                if stand.mapping_methods:
                    nursery.start_soon(stand.home.keep_mapped, stand.mapping_methods, self._on_mapped)
                if lsd and not stand.is_proxied:
                    nursery.start_soon(stand.home.meet_neighbours, self._announced, self._on_neighbour)
                yield
        finally:
            await self._close_workers()

    @property
    def port(self) -> int:
        """Where we listen."""
        return self._site.local[0].port

    @property
    def announced_port(self) -> int | None:
        """Where peers dial us by IPv4: what a router maps to our port, or that itself. None where nobody can."""
        return self._site.reach.port(is_ipv6=False)

    def _on_mapped(self, lease: Lease | None) -> None:
        """A router forwards a port to ours, or does no more."""
        if self._site.reach.map(lease.external_port if lease else None):
            for swarm in self._swarms.values():
                swarm.tell_port()

    def _announced(self) -> list[InfoHash]:
        """What others may know that we have, or want."""
        return [info_hash for info_hash in self.downloads if info_hash in self._swarms]

    def _on_neighbour(self, info_hash: InfoHash, endpoint: Endpoint) -> bool:
        """Somebody in the local network announced one of our torrents; whether that is news."""
        return self._swarms[info_hash].members.add(endpoint, Source.LSD, endpoint.ip)

    def _count(self, event: Event) -> None:
        """Each download tells what has happened to it, also that of a search's, which knows of no download."""
        match event:
            case TorrentEvent(info_hash=info_hash) | Announced(info_hash=info_hash):
                pass
            case LookupStarted() | LookupProgress() | LookupFinished() if isinstance(event.target, InfoHash):
                info_hash = event.target
            case _:
                return
        if (download := self.downloads.get(info_hash)) is not None:
            download.tally.observe(event)

    def limit(self, *, download: float | None = None, upload: float | None = None) -> None:
        """Limit the rates of all torrents together from now on: bytes/s, None for no limit.

        Raises LocalProtocolError for a rate that makes no sense.
        """
        self._site.throttles.limit(Limits(download, upload))
        for swarm in self._swarms.values():
            swarm.exchange.throttles.renew()

    async def add(
        self,
        torrent: Torrent,
        *,
        into: str | Path = ".",
        files: FileSelection | None = None,
        incomplete_dir: str | Path | None = None,
        preallocate: bool = False,
        peers: Iterable[Address] = (),
        storage: OpenStorage | None = None,
        resume: ResumeData | None = None,
        super_seed: bool = False,
    ) -> Download:
        """Begin to download, or to share what is in the folder `into` already. Files that `files` leaves out stay out.

        With `incomplete_dir` the files are there until they are complete; `preallocate` takes a file's whole room when
        it is begun. `resume` vouches for what is there, as `create_torrent` gives it; without it what an earlier run
        saved does.
        `peers` are hosts and ports to dial besides those the DHT names. `super_seed` is for a first seed of a torrent,
        which has all of it (BEP 16). Adding what is there already gives the same Download, with the new peers.

        Raises InvalidMagnet, UnsupportedTorrent, PrivateTorrent, StorageError (unreadable resume data), or
        LocalProtocolError while `fetch_metadata` is at work on it.
        """
        link, metainfo = _understand(torrent)
        named = _named(link, peers)
        await self._until_removed(link.info_hash)
        if resume is None and self._resume is not None and link.info_hash not in self.downloads:
            resume = await self._resume.load(link.info_hash)
        # Nothing waits from here on: of two who add the same torrent at once the second finds the first one's download.
        self._refuse_if_fetching(link.info_hash)
        if link.info_hash in self.downloads:
            self._begin.send_nowait(partial(self._resolve_peers, self._swarms[link.info_hash], named))
            return self.downloads[link.info_hash]
        if metainfo is None and resume is not None:
            metainfo = decode_info(resume.info, link.info_hash)
        swarm = self._swarms[link.info_hash] = Swarm(link.info_hash, self._site)
        swarm.exchange.wants_super_seed = super_seed
        download = self.downloads[link.info_hash] = Download(swarm, link.name, self.node, metainfo)
        running = partial(
            swarm.run,
            storage or self._storage or self._files_in(Path(into), incomplete_dir, preallocate),
            metainfo=metainfo,
            selection=files or FileSelection(link.files),
            resume=resume,
            remember=self._resume.save if self._resume else forget,
        )
        self._begin.send_nowait(partial(self._run_download, download, swarm, metainfo, named, running))
        return download

    async def fetch_metadata(self, torrent: str | MagnetLink, peers: Iterable[Address] = ()) -> Metainfo:
        """The metadata behind a link; never gives up by itself. Raises InvalidMagnet, InvalidMetainfo, PrivateTorrent.

        We do not announce ourselves for it: there is nothing we could give.
        """
        link, _ = _understand(torrent)
        if link.info_hash in self.downloads:
            return await self.downloads[link.info_hash].metadata()
        self._refuse_if_fetching(link.info_hash)
        swarm = self._swarms[link.info_hash] = Swarm(link.info_hash, self._site)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._resolve_peers, swarm, _named(link, peers))
                nursery.start_soon(partial(self._discover, swarm, announce=False))
                metainfo = await swarm.fetch_metadata()
                nursery.cancel_scope.cancel()
        except* MagnetiteError as group:
            failure = _first(group)
        else:
            return metainfo
        finally:
            del self._swarms[link.info_hash]
        raise failure

    async def _until_removed(self, info_hash: InfoHash) -> None:
        """A download that is being removed is still saving what it has."""
        while (download := self.downloads.get(info_hash)) is not None and download.scope.cancel_called:
            await download.ended.wait()

    def _refuse_if_fetching(self, info_hash: InfoHash) -> None:
        """Two swarms of one torrent behind one peer id would be taken for one and the same peer, and refused."""
        if info_hash in self._swarms and info_hash not in self.downloads:
            raise LocalProtocolError(
                f"the metadata of {info_hash} is being fetched already; wait for it or cancel that"
            )

    def _files_in(self, folder: Path, incomplete_dir: str | Path | None, preallocate: bool) -> OpenStorage:
        incomplete = None if incomplete_dir is None else Path(incomplete_dir)
        if incomplete is not None and incomplete.resolve() == folder.resolve():
            incomplete = None

        def open_files(metainfo: Metainfo, wanted: frozenset[int]) -> AbstractAsyncContextManager[Storage]:
            self._workers = self._workers or Workers(THREADS)
            return open_storage(
                metainfo,
                folder,
                wanted,
                incomplete=incomplete,
                preallocate=preallocate,
                workers=self._workers,
                open_files=self._files,
            )

        return open_files

    async def _close_workers(self) -> None:
        if self._workers is not None:
            await self._workers.aclose()

    # -- tasks -------------------------------------------------------------------------------------------------------

    async def _run_forever(self) -> None:
        """Downloads live here, not in the task that added them."""
        try:
            async with trio.open_nursery() as nursery:
                with self._begun:
                    async for begin in self._begun:
                        nursery.start_soon(begin)
        finally:
            for download in self.downloads.values():  # added, but never begun
                download.ended.set()

    async def _run_download(
        self,
        download: Download,
        swarm: Swarm,
        metainfo: Metainfo | None,
        peers: Iterable[Named],
        running: Callable[[], Awaitable[None]],
    ) -> None:
        try:
            with download.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._resolve_peers, swarm, peers)
                    may_be_complete = metainfo is not None
                    nursery.start_soon(partial(self._discover, swarm, announce=True, may_be_complete=may_be_complete))
                    if metainfo is not None and self.node is not None:
                        nursery.start_soon(self._resolve_nodes, self.node, metainfo.nodes)
                    await running()
        except* MagnetiteError as group:
            download.error = error = _first(group)
            self.events.emit(DownloadFailed(trio.current_time(), download.info_hash, error.reason, str(error)))
        finally:
            del self._swarms[download.info_hash], self.downloads[download.info_hash]
            download.ended.set()

    async def _discover(self, swarm: Swarm, *, announce: bool, may_be_complete: bool = False) -> None:
        """Search the DHT, at first often, then whenever we announce ourselves.

        Seeds take turns: a thousand of them must not keep those waiting that lack something.
        """
        if self.node is None:
            return
        swarm.exchange.on_dht_node = self.node.add_contact_hint
        delays = search_delays()
        await self.node.wait_usable()
        if may_be_complete:
            with trio.move_on_after(CHECKED_WITHIN):
                await swarm.checked.wait()
        while True:
            await swarm.until_resumed()
            if swarm.exchange.is_seeding:
                await trio.sleep_until(self._seed_turns.reserve(trio.current_time()))
            families = self.node.families
            async with self.node.get_peers(swarm.info_hash) as search:
                if announce:
                    search.be_thorough()
                else:
                    search.be_content(CONTENT_FOR)
                async for endpoint in search:
                    swarm.members.add(endpoint, Source.DHT)
                if announce:
                    await self._announce(search)
            is_settled = swarm.exchange.peers or swarm.exchange.is_seeding
            with trio.move_on_after(announce_delay(self._site.rng) if is_settled else next(delays)):
                await first_of(swarm.until_search_wanted, partial(self.node.wait_wider, families))

    async def _announce(self, search: PeerSearch) -> None:
        port = self.announced_port
        if port is not None:
            await search.announce(port, ipv6_port=self.port)
        elif self._site.utp is not None:  # where the proxy sends our datagrams from, some may come in
            await search.announce(self.port or 1, implied_port=True)

    async def _resolve_peers(self, swarm: Swarm, named: Iterable[Named]) -> None:
        for source, address in named:
            for endpoint in await self._resolve(address):
                swarm.members.add(endpoint, source)

    async def _resolve_nodes(self, node: DhtNode, nodes: Iterable[Address]) -> None:
        """Nodes of the DHT that a torrent names (BEP 5, Torrent File Extensions)."""
        for each in nodes:
            for endpoint in await self._resolve(each):
                node.add_contact_hint(endpoint)

    async def _resolve(self, address: Address) -> list[Endpoint]:
        """What a name stands for; nothing where it does not resolve, for others may."""
        try:
            return await self._site.network.resolve(*address)
        except NetworkError as error:
            log.warning("%s:%d: %s", *address, error)
            return []

    async def _accept_forever(self, listener: Listener, carrier: Carrier = Carrier.TCP) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                stream = await listener.accept()
                if self._doorkeeper.admit(stream.remote.ip):
                    nursery.start_soon(self._serve, stream, carrier)
                else:
                    await stream.aclose()

    async def _serve(self, stream: ByteStream, carrier: Carrier) -> None:
        """Somebody dialled us: let it say which torrent it wants, and hand it to that swarm."""
        try:
            connection = await welcome(stream, carrier, self._swarms, self._answer, self._site.security)
        except (NetworkError, RemoteProtocolError) as error:
            log.debug("turned %s away: %s", stream.remote, error)
            return
        finally:
            self._doorkeeper.release(stream.remote.ip)
        swarm = self._swarms.get(connection.handshake.info_hash)
        if swarm is None:  # it ended while its caller shook hands
            await stream.aclose()
            return
        await swarm.members.serve(connection, Source.INCOMING)

    def _answer(self, info_hash: InfoHash) -> Handshake | None:
        swarm = self._swarms.get(info_hash)
        return swarm.members.handshake if swarm else None


def _named(link: MagnetLink, peers: Iterable[Address]) -> list[Named]:
    """The peers that the link names, and those the user does."""
    return [(Source.MAGNET, each) for each in link.peers] + [(Source.USER, each) for each in peers]


def _understand(torrent: Torrent) -> tuple[MagnetLink, Metainfo | None]:
    match torrent:
        case Metainfo():
            refuse_private(torrent)
            return MagnetLink(torrent.info_hash, torrent.name), torrent
        case MagnetLink():
            return torrent, None
    if ":" in torrent:
        return parse_magnet(torrent), None
    return MagnetLink(parse_info_hash(torrent)), None


def _first(group: ExceptionGroup[MagnetiteError]) -> MagnetiteError:
    """One failure ends a download; others in the group are of tasks that met the same."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
