"""Where verified pieces live: the seam between the swarm and the disk."""

from __future__ import annotations

from typing import Protocol

from magnetite.net.base import Buffer


class Storage(Protocol):
    """The content of one torrent, by piece. Every method raises StorageError when the disk fails.

    The real one hashes and writes in worker threads; simulation's does it inline.
    """

    async def commit(self, piece: int, data: Buffer) -> bool:
        """Write a whole piece if its SHA-1 is right; False, and nothing written, if it is not."""
        ...

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        """`length` bytes of a piece that was committed or found present."""
        ...

    async def verify(self, piece: int) -> bool:
        """Whether what is stored of `piece` now has the right SHA-1; False too where files are missing or short."""
        ...

    async def flush(self) -> None:
        """Returns when every committed piece is on the disk itself (fsync)."""
        ...

    async def aclose(self) -> None:
        """Flush and let go of files and threads; safe to call twice."""
        ...
