"""A torrent in a client, as its user sees it."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from magnetite.errors import MagnetiteError
from magnetite.ids import InfoHash
from magnetite.swarm.swarm import Swarm
from magnetite.torrent.metainfo import Metainfo


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is. Lengths are bytes, rates bytes/s; None where the metadata is not known yet."""

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


class Download:
    """One torrent of a Client; made by `Client.add`.

    Cancelling a wait here stops only the waiting; `remove` stops the download, as leaving the client does.
    """

    def __init__(self, swarm: Swarm, name: str | None) -> None:
        self.error: MagnetiteError | None = None  # why it ended by itself
        self._swarm = swarm
        self._name = name
        self.scope = trio.CancelScope()
        self.ended = trio.Event()

    @property
    def info_hash(self) -> InfoHash:
        return self._swarm.info_hash

    @property
    def metainfo(self) -> Metainfo | None:
        return self._swarm.metainfo

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

    async def remove(self) -> None:
        """Stop it; what was verified stays on disk."""
        self.scope.cancel()
        await self.ended.wait()

    def progress(self) -> Progress:
        exchange, metainfo, now = self._swarm.exchange, self._swarm.metainfo, trio.current_time()
        book = exchange.book
        downloaded, uploaded = exchange.totals
        return Progress(
            name=metainfo.name if metainfo else self._name,
            length=exchange.length_of(book.wanted) if book else metainfo.length if metainfo else None,
            present=exchange.length_of(book.wanted & book.have) if book else 0,
            pieces=metainfo.piece_count if metainfo else None,
            pieces_present=exchange.have.bit_count(),
            is_checked=self._swarm.checked.is_set(),
            pieces_checked=self._swarm.survey.done,
            pieces_to_check=self._swarm.survey.total,
            is_complete=self._swarm.completed.is_set(),
            peers=len(exchange.peers),
            peers_known=len(self._swarm.members.candidates),
            dialling=self._swarm.members.dialling,
            copies=book.picker.availability.copies() if book else 0,
            download_rate=sum(peer.downloaded.rate(now) for peer in exchange.peers),
            upload_rate=sum(peer.uploaded.rate(now) for peer in exchange.peers),
            downloaded=downloaded,
            uploaded=uploaded,
        )

    async def _until(self, event: trio.Event) -> None:
        async with trio.open_nursery() as nursery:

            async def wait_for(either: trio.Event) -> None:
                await either.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait_for, event)
            nursery.start_soon(wait_for, self.ended)
        if not event.is_set():
            raise self.error or MagnetiteError("the download was removed")
