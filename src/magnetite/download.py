"""A torrent in a client, as its user sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from magnetite.dht.node import DhtNode
from magnetite.errors import MagnetiteError, Reason
from magnetite.ids import InfoHash
from magnetite.swarm.explain import DhtView, Tally, explain
from magnetite.swarm.preference import Preference
from magnetite.swarm.reader import Reader, open_reader, readable_files
from magnetite.swarm.swarm import Swarm
from magnetite.swarm.throttle import Limits
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.selection import FileSelection


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is. Lengths are bytes, rates bytes/s; None where the metadata is not known yet."""

    info_hash: InfoHash
    name: str | None
    length: int | None  # of the wanted pieces
    present: int  # bytes of them that are verified
    pieces: int | None
    pieces_present: int
    is_checked: bool  # what was on disk has been looked at,
    pieces_checked: int  # of these
    pieces_to_check: int
    is_complete: bool
    peers: int  # connected
    peers_known: int  # heard of, connected or not
    dialling: int
    copies: int  # whole copies that the connected peers hold between them
    download_rate: float
    upload_rate: float
    downloaded: int  # bytes of blocks, in this run
    uploaded: int
    paused: tuple[Reason, str] | None = None  # why, and a text for people


class Download:
    """One torrent of a Client; made by `Client.add`.

    Cancelling a wait here stops only the waiting; `remove` stops the download, as leaving the client does.
    """

    def __init__(
        self, swarm: Swarm, name: str | None, node: DhtNode | None = None, metainfo: Metainfo | None = None
    ) -> None:
        self.error: MagnetiteError | None = None  # why it ended by itself
        self.tally = Tally()  # of its events; the client counts them
        self._swarm = swarm
        self._name = name
        self._node = node
        self._metainfo = metainfo  # as it was added, which the swarm takes over when it begins
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self._waits: set[trio.CancelScope] = set()

    @property
    def info_hash(self) -> InfoHash:
        return self._swarm.info_hash

    @property
    def metainfo(self) -> Metainfo | None:
        return self._swarm.metainfo or self._metainfo

    async def metadata(self) -> Metainfo:
        """Returns as soon as the metadata is known. Raises what ended the download."""
        await self._until(self._swarm.metadata_known)
        assert self._swarm.metainfo is not None
        return self._swarm.metainfo

    async def completed(self) -> None:
        """Returns when every wanted piece is verified, on the disk itself, and every file has its name.

        Raises what ended the download: StorageError, InvalidMetainfo, PrivateTorrent or LocalProtocolError.
        """
        await self._until(self._swarm.completed)

    def limit(self, *, download: float | None = None, upload: float | None = None) -> None:
        """Limit its rates from now on, within those of the client: bytes/s, None for no limit of its own.

        Raises LocalProtocolError for a rate that makes no sense.
        """
        self._swarm.exchange.throttles.limit(Limits(download, upload))

    def select(self, files: FileSelection) -> None:
        """Want these files from now on, and no others; what is there of others stays, and is shared.

        Where more is to come, `completed` waits for that, too. Raises LocalProtocolError if no file is selected.
        """
        self._swarm.select(files)

    def prefer(self, preference: Preference) -> None:
        """Fetch some files early and some late, or one piece after the other, from now on.

        Raises LocalProtocolError if it selects no file, as soon as the files are known.
        """
        self._swarm.prefer(preference)

    def pause(self) -> None:
        """Ask peers for nothing and serve them nothing until `resume`; they stay connected."""
        self._swarm.pause(Reason.PAUSED_BY_USER)

    def resume(self) -> None:
        """Go on after `pause`, or try again at once what a disk in trouble had paused."""
        self._swarm.resume()

    def readable_files(self) -> list[int]:
        """Indices of the files that are wanted, and so can be read; empty until what is on disk was checked."""
        metainfo, book = self._swarm.metainfo, self._swarm.exchange.book
        return readable_files(metainfo, book.wanted) if metainfo and book else []

    @asynccontextmanager
    async def open(self, file: int) -> AsyncIterator[Reader]:
        """A reader of the file with that index, as soon as the metadata is known and what is on disk was checked.

        Raises LocalProtocolError if there is no such file, and what ended the download.
        """
        await self._until(self._swarm.checked)
        reader = open_reader(self._swarm, file, self._until)
        try:
            yield reader
        finally:
            reader.close()

    def explain(self) -> list[str]:
        """Why it moves, or does not: short sentences in plain words, the cause first."""
        node = self._node
        dht = None if node is None else DhtView(len(node.contacts()), node.is_usable)
        return explain(self._swarm.snapshot(self.tally, dht))

    async def remove(self) -> None:
        """Stop it; what was verified stays on disk."""
        self.scope.cancel()
        await self.ended.wait()

    def progress(self) -> Progress:
        exchange, metainfo, now = self._swarm.exchange, self.metainfo, trio.current_time()
        book = exchange.book
        downloaded, uploaded = exchange.totals
        return Progress(
            info_hash=self._swarm.info_hash,
            name=metainfo.name if metainfo else self._name,
            length=exchange.length_of(book.wanted) if book else metainfo.length if metainfo else None,
            present=exchange.length_of(book.wanted & book.have) if book else 0,
            pieces=metainfo.piece_count if metainfo else None,
            pieces_present=exchange.have.bit_count(),
            is_checked=self._swarm.checked.is_set(),
            pieces_checked=self._swarm.survey.done,
            pieces_to_check=self._swarm.survey.total,
            is_complete=self._swarm.completed.is_set() and exchange.is_seeding,
            peers=len(exchange.peers),
            peers_known=len(self._swarm.members.candidates),
            dialling=self._swarm.members.dialling,
            copies=book.picker.availability.copies() if book else 0,
            download_rate=sum(peer.downloaded.rate(now) for peer in exchange.peers),
            upload_rate=sum(peer.uploaded.rate(now) for peer in exchange.peers),
            downloaded=downloaded,
            uploaded=uploaded,
            paused=exchange.paused,
        )

    def end(self) -> None:
        """It runs no more; for the client. Whoever waits for something of it learns so."""
        self.ended.set()
        for scope in self._waits:
            scope.cancel()

    async def _until(self, event: trio.Event) -> None:
        with trio.CancelScope() as scope:  # no nursery: a user is to see the metadata before storage is opened for it
            if self.ended.is_set():
                scope.cancel()
            self._waits.add(scope)
            try:
                await event.wait()
            finally:
                self._waits.discard(scope)
        if not event.is_set():
            raise self.error or MagnetiteError("the download was removed")
