"""Making a torrent from what is on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from magnetite.errors import LocalProtocolError, Reason, StorageError
from magnetite.storage.failures import naming, storage_error
from magnetite.storage.files import THREADS, FileStorage, open_storage
from magnetite.storage.resume import ResumeData
from magnetite.torrent.create import MAX_PIECE_LENGTH, SizedPath, choose_piece_length, encode_info, in_order
from magnetite.torrent.metainfo import HASH_LENGTH, Metainfo, decode_info
from magnetite.torrent.pieces import everything

Progress = Callable[[int, int], None]
"""Called with the bytes hashed so far and the bytes in all."""


@dataclass(frozen=True, slots=True)
class Created:
    """A torrent that was just made, and resume data that vouches for what it was made from."""

    metainfo: Metainfo
    resume: ResumeData


async def create_torrent(
    path: Path,
    *,
    piece_length: int | None = None,
    comment: str | None = None,
    created_by: str | None = None,
    creation_date: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Created:
    """The torrent of a file or of everything in a folder. `path.resolve().parent` is the folder to share it from.

    Raises StorageError for what cannot be shared as it is: links, devices, unreadable files, files that change
    meanwhile. Raises InvalidMetainfo for names other systems could not store, and where there is not a byte;
    LocalProtocolError for an absurd piece length.
    """
    with naming(path, reading=True):
        path = await trio.to_thread.run_sync(lambda: path.resolve(strict=True))
    files = await trio.to_thread.run_sync(lambda: in_order(_scan(path)))
    length = sum(size for _, size in files)
    if piece_length is None:
        piece_length = choose_piece_length(length)
    elif not 0 < piece_length <= MAX_PIECE_LENGTH:
        raise LocalProtocolError(f"pieces of {piece_length} bytes; 1 to {MAX_PIECE_LENGTH} make sense")
    unhashed = decode_info(encode_info(files, piece_length, bytes(-(-length // piece_length) * HASH_LENGTH)))
    async with open_storage(unhashed, path.parent) as storage:
        before = await storage.stats()
        hashes = await _hash_pieces(storage, unhashed, progress)
        if await storage.stats() != before:
            raise _changed(path)
    metainfo = decode_info(encode_info(files, piece_length, hashes))
    resume = ResumeData(metainfo.info_hash, metainfo.info, everything(metainfo.piece_count), before)
    described = replace(metainfo, comment=comment, created_by=created_by, creation_date=creation_date)
    return Created(described, resume)


async def _hash_pieces(storage: FileStorage, metainfo: Metainfo, progress: Progress) -> bytes:
    """The hashes of all pieces, one after the other; as many at a time as there are threads."""
    hashes = [b""] * metainfo.piece_count
    pieces = iter(range(metainfo.piece_count))
    done = 0

    async def hash_some() -> None:
        nonlocal done
        for piece in pieces:
            digest = await storage.hash_piece(piece)
            if digest is None:
                raise _changed(Path(metainfo.name))
            hashes[piece] = digest
            done += 1
            progress(min(done * metainfo.piece_length, metainfo.length), metainfo.length)

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(THREADS):
                nursery.start_soon(hash_some)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None  # the two read the same files: the first failure is the failure
    return b"".join(hashes)


def _scan(path: Path) -> Iterator[SizedPath]:
    """Every file below `path`, which has no links in it, or the file itself. Blocks."""
    with naming(path, reading=True):
        found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        yield _sized(path, (path.name,), found)
        return
    for folder, folders, names in os.walk(path, onerror=_refuse):
        for file in (Path(folder, name) for name in (*folders, *names)):  # a link to a folder is among the folders
            with naming(file, reading=True):
                found = file.lstat()
            if not stat.S_ISDIR(found.st_mode):
                yield _sized(file, (path.name, *file.relative_to(path).parts), found)


def _sized(file: Path, components: tuple[str, ...], found: os.stat_result) -> SizedPath:
    if not stat.S_ISREG(found.st_mode):
        raise StorageError(
            f"{file}: a link or a device, which a torrent cannot hold; replace it by the file it stands for",
            Reason.NOT_READABLE,
        )
    return components, found.st_size


def _refuse(error: OSError) -> None:
    raise storage_error(error, error.filename, reading=True)


def _changed(path: Path) -> StorageError:
    return StorageError(f"{path}: a file changed while it was read; start again when nothing writes to it")
