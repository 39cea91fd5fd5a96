"""A BitTorrent client: the one place where the DHT, swarms, storage and the network meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import TypeAlias

import trio

from magnetite.background import background
from magnetite.dht.node import DhtNode
from magnetite.discovery import Discovery, Named
from magnetite.download import Download
from magnetite.endpoint import Address, Endpoint
from magnetite.errors import LocalProtocolError, MagnetiteError
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
from magnetite.net.portmap.mapping import Lease
from magnetite.net.stand import Stand
from magnetite.net.utp.utp import Utp
from magnetite.storage.base import OpenStorage
from magnetite.storage.depot import Depot
from magnetite.storage.resume import ResumeData
from magnetite.storage.resume_folder import ResumeFolder
from magnetite.swarm.keeper import forget
from magnetite.swarm.membership import Site
from magnetite.swarm.reception import Reception
from magnetite.swarm.swarm import Swarm
from magnetite.swarm.throttle import Limits
from magnetite.torrent.magnet import MagnetLink, parse_info_hash, parse_magnet
from magnetite.torrent.metainfo import Metainfo, decode_info, refuse_private
from magnetite.torrent.selection import FileSelection
from magnetite.ways import Carrier

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
        self._discovery = Discovery(site, node)
        self._reception = Reception(self._swarms, site.security, site.emit)
        self._depot = Depot()
        self._begin, self._begun = trio.open_memory_channel[Callable[[], Awaitable[None]]](inf)

    @asynccontextmanager
    async def at_work(self, stand: Stand, utp: Utp | None, *, lsd: bool, has_disk: bool) -> AsyncIterator[None]:
        """As long as the block lasts callers are let in, and what is added runs. For `open_client`.

        Where content is likely to go to a disk, `has_disk`, the threads for it begin at once.
        """
        try:
            async with background() as nursery:
                for listener in stand.ports.listeners:
                    nursery.start_soon(self._reception.accept_forever, listener)
                if utp is not None:
                    for task in utp.tasks(is_alone=self.node is None):
                        nursery.start_soon(task)
                    for port in utp.ports:
                        nursery.start_soon(self._reception.accept_forever, port, Carrier.UTP)
                nursery.start_soon(self._run_forever)
                if has_disk and self._storage is None:
                    self._depot.start()
                if stand.mapping_methods:
                    nursery.start_soon(stand.home.keep_mapped, stand.mapping_methods, self._on_mapped)
                if lsd and not stand.is_proxied:
                    nursery.start_soon(stand.home.meet_neighbours, self._announced, self._on_neighbour)
                yield
        finally:
            await self._depot.aclose()

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
            self._begin.send_nowait(partial(self._discovery.look_up_peers, self._swarms[link.info_hash], named))
            return self.downloads[link.info_hash]
        if metainfo is None and resume is not None:
            metainfo = decode_info(resume.info, link.info_hash)
        swarm = self._swarms[link.info_hash] = Swarm(link.info_hash, self._site)
        swarm.exchange.wants_super_seed = super_seed
        download = self.downloads[link.info_hash] = Download(swarm, link.name, self.node, metainfo)
        incomplete = None if incomplete_dir is None else Path(incomplete_dir)
        running = partial(
            swarm.run,
            storage or self._storage or self._depot.folder(Path(into), incomplete, preallocate=preallocate),
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
                nursery.start_soon(self._discovery.look_up_peers, swarm, _named(link, peers))
                nursery.start_soon(partial(self._discovery.search_forever, swarm, announce=False))
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
                download.end()

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
                    nursery.start_soon(self._discovery.look_up_peers, swarm, peers)
                    may_be_complete = metainfo is not None
                    nursery.start_soon(
                        partial(self._discovery.search_forever, swarm, announce=True, may_be_complete=may_be_complete)
                    )
                    if metainfo is not None:
                        nursery.start_soon(self._discovery.look_up_nodes, metainfo.nodes)
                    await running()
        except* MagnetiteError as group:
            download.error = error = _first(group)
            self.events.emit(DownloadFailed(trio.current_time(), download.info_hash, error.reason, str(error)))
        finally:
            del self._swarms[download.info_hash], self.downloads[download.info_hash]
            download.end()


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
