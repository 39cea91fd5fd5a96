"""Torrents made up for a simulation, whose bytes all hosts share."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1
from itertools import permutations
from random import Random
from typing import Final

from magnetite.net.base import Buffer
from magnetite.storage.memory import MemoryStorage
from magnetite.torrent import pieces
from magnetite.torrent.create import choose_piece_length, encode_info
from magnetite.torrent.metainfo import Metainfo, decode_info


class Content:
    """A torrent of `length` bytes of chance, of which there is one copy however many hosts have them.

    `by_reference` makes all whole pieces alike, and has them compared with the one copy instead of hashed: messages,
    their lengths and their times are the same, at less cost in time and memory. All hosts put them together in one and
    the same memory, so nobody may lie about them.
    """

    def __init__(
        self, length: int, rng: Random, *, piece_length: int | None = None, by_reference: bool = False
    ) -> None:
        piece_length = piece_length or choose_piece_length(length)
        hashes: list[bytes] = []
        self.by_reference: Final = by_reference
        self.pieces: Final[dict[bytes, bytes]] = {}  # by their hashes
        self.storages: Final[list[HostStorage]] = []  # of all hosts that ever had or wanted it
        for piece in _pieces(length, piece_length, rng, are_alike=by_reference):
            if not hashes or self.pieces[hashes[-1]] is not piece:
                hashes.append(sha1(piece).digest())
                self.pieces[hashes[-1]] = piece
            else:
                hashes.append(hashes[-1])
        name = f"{rng.getrandbits(64):016x}.bin"  # so that torrents of equal content are not one and the same
        self._draft = memoryview(bytearray(piece_length))
        self.metainfo: Final[Metainfo] = decode_info(encode_info([((name,), length)], piece_length, b"".join(hashes)))

    def storage(self, *, is_complete: bool = False) -> HostStorage:
        """A host's own storage of it: empty, or with everything."""
        present = pieces.everything(self.metainfo.piece_count) if is_complete else 0
        if self.by_reference:
            storage: HostStorage = _Referring(self.metainfo, self.pieces, present, self._draft)
        else:
            storage = HostStorage(self.metainfo, self.pieces, present)
        self.storages.append(storage)
        return storage

    def copies(self) -> list[int]:
        """How many storages each piece is in."""
        return [sum(each.present >> piece & 1 for each in self.storages) for piece in range(self.metainfo.piece_count)]

    def interest(self) -> float | None:
        """Of all pairs of those who have part of it: in what share one wants something of the other.

        Each pair counts twice, once for either direction. None where nobody has begun, or but one.
        """
        whole = pieces.everything(self.metainfo.piece_count)
        begun = [each.present for each in self.storages if 0 < each.present < whole]
        wanting = sum(1 for one, other in permutations(begun, 2) if other & ~one)
        return wanting / (len(begun) * (len(begun) - 1)) if len(begun) > 1 else None


class HostStorage(MemoryStorage):
    """A storage that begins with the pieces of a mask."""

    def __init__(self, metainfo: Metainfo, shared: dict[bytes, bytes], present: int) -> None:
        super().__init__(metainfo, shared)
        self._present = present

    @property
    def present(self) -> int:
        """Mask of the verified pieces."""
        return self._present


class _Referring(HostStorage):
    """One that compares where others hash, and has one memory for all pieces of all hosts."""

    def __init__(self, metainfo: Metainfo, shared: dict[bytes, bytes], present: int, draft: memoryview) -> None:
        super().__init__(metainfo, shared, present)
        self._draft = draft

    def new_buffer(self, length: int) -> memoryview:
        return self._draft[:length]

    def _commit(self, piece: int, data: Buffer) -> bool:
        if bytes(data) != self._pieces[self._metainfo.piece_hash(piece)]:
            return False
        self._present |= 1 << piece
        return True


def _pieces(length: int, piece_length: int, rng: Random, *, are_alike: bool) -> Iterator[bytes]:
    whole = rng.randbytes(min(length, piece_length)) if are_alike else b""
    for at in range(0, length, piece_length):
        rest = min(piece_length, length - at)
        if not are_alike:
            yield rng.randbytes(rest)
        else:
            yield whole if rest == len(whole) else whole[:rest]
