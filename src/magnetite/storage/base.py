"""Where verified pieces live: the seam between the swarm and the disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeAlias

from magnetite.net.base import Buffer
from magnetite.torrent.metainfo import Metainfo


class FileStat(NamedTuple):
    """What tells whether a file is still the one we left."""

    size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970


class Whole(NamedTuple):
    """A piece with all of its bytes."""

    piece: int
    data: Buffer


class Storage(Protocol):
    """The content of one torrent, by piece. Every method raises StorageError when the disk fails.

    The real one hashes and writes in worker threads; simulation's does it inline.

    A storage knows which pieces are right: those it committed or verified, and those it was told to trust. A file
    whose pieces are not all right never stands under its own name through our doing: it is NAME.part until a `flush`
    finds every piece of it right and renames it. A complete NAME that was there before is used where it is.

    Cancelling a wait is safe at any moment. Either the work had not begun, and then nothing of it happens; or it had,
    and then the call still waits for its end and returns. So once a call has ended, by return or by Cancelled, nobody
    looks at the buffer it was given.
    """

    def new_buffer(self, length: int) -> memoryview:
        """Memory to put a piece of so many bytes together in; it is used again and again (see `swarm.buffers`)."""
        ...

    async def commit(self, whole: Sequence[Whole]) -> list[bool]:
        """Write pieces, each if its SHA-1 is right; for each False, and nothing written, if it is not.

        Several at once, since small ones would each take longer to hand over than to write. Where it raises, some may
        have been written; to commit them again does no harm.
        """
        ...

    async def read(self, piece: int, begin: int, length: int) -> Buffer:
        """`length` bytes of a piece that was committed or found present."""
        ...

    async def verify(self, piece: int) -> bool:
        """Whether what is stored of `piece` now has the right SHA-1; False too where files are missing or short."""
        ...

    def trust(self, pieces: int) -> None:
        """Take this set of pieces (see `torrent.pieces`) for right without looking: resume data vouches for them."""
        ...

    def want(self, files: Collection[int]) -> None:
        """These files, by index, are wanted from now on: the next flush makes those of them that are empty."""
        ...

    async def flush(self) -> None:
        """Returns when every committed piece is on the disk itself (fsync) and complete files have their names."""
        ...

    async def look_again(self, files: Collection[int]) -> None:
        """These files, by index, were changed by somebody else: none of their pieces is known to be right any more.

        No commit may be under way. `verify` tells of each piece whether it is still right.
        """
        ...

    async def settle(self) -> None:
        """What is wanted is complete and flushed: take it to where it is to stay, if that is elsewhere."""
        ...

    async def stats(self) -> tuple[FileStat | None, ...]:
        """Size and time of every file as it is now, for resume data; None for one that is not there."""
        ...

    async def aclose(self) -> None:
        """Flush and let go of files and threads; safe to call twice."""
        ...


OpenStorage: TypeAlias = Callable[[Metainfo, frozenset[int]], AbstractAsyncContextManager[Storage]]
"""Opens the storage of a torrent, of which these files are wanted."""
