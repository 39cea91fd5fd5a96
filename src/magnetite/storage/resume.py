"""What is remembered of a torrent between two runs, so that it starts without asking and without hashing anew."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from pathlib import Path
from struct import Struct

from magnetite.bencoding import Value, decode_dict, encode
from magnetite.errors import BencodeError, Reason, StorageError
from magnetite.ids import InfoHash
from magnetite.storage.atomic import write_atomically
from magnetite.storage.base import FileStat
from magnetite.storage.failures import naming
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap
from magnetite.torrent.pieces import everything, from_wire, to_wire

log = logging.getLogger(__name__)

HEADER = b"magnetite resume 2\n"  # the number is the version of what follows
DIGEST_LENGTH = 32  # bytes of the SHA-256 of the body, between header and body
STAT = Struct(">qq")  # a file's size and time, packed: bencoding 100,000 of them would take seconds
ABSENT = -1  # as the size of a file that was not there


@dataclass(frozen=True, slots=True)
class ResumeData:
    """State of one torrent as of a flush. `verified` claims only what that flush has put on the disk itself."""

    info_hash: InfoHash
    info: bytes = field(repr=False)  # the raw info dictionary: a magnet restarts without asking peers for it
    verified: int  # set of pieces
    files: tuple[FileStat | None, ...] = field(repr=False)  # in the torrent's order; None for one that was not there
    downloaded: int = 0  # bytes of blocks, over all runs
    uploaded: int = 0


def doubtful_pieces(resume: ResumeData | None, metainfo: Metainfo, current: Sequence[FileStat | None]) -> int:
    """The set of pieces that resume data does not speak for: those that touch a file which is not as it was left. Pure.

    `current` are the files as they are now (`Storage.stats`). Of the other pieces `verified` tells the truth, both
    ways: what it does not hold was not there when the file was last changed.
    """
    if (
        resume is None
        or resume.info_hash != metainfo.info_hash
        or resume.verified.bit_length() > metainfo.piece_count
        or not len(resume.files) == len(current) == len(metainfo.files)
    ):
        return everything(metainfo.piece_count)
    changed = (
        file
        for file, entry in enumerate(metainfo.files)
        if not entry.is_padding and (current[file] is None or current[file] != resume.files[file])
    )
    return PieceMap(metainfo).pieces_of(changed)


def save_resume(path: Path, resume: ResumeData) -> None:
    """Replace the file in one step. Call it after `Storage.flush`, with what was verified before. Blocks.

    Raises StorageError.
    """
    write_atomically(path, encode_resume(resume))


def load_resume(path: Path) -> ResumeData | None:
    """What was saved; None if nothing was, or if it is damaged: it is then set aside as *.damaged. Blocks.

    Raises StorageError if the file cannot be read.
    """
    with naming(path, reading=True):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        return decode_resume(data)
    except StorageError as error:
        damaged = path.with_name(path.name + ".damaged")
        with naming(path):
            os.replace(path, damaged)
        log.warning("%s: %s; set aside as %s, the content is checked again", path, error, damaged.name)
        return None


def encode_resume(resume: ResumeData) -> bytes:
    """Header, SHA-256 of the body, body."""
    stats = ((ABSENT, 0) if stat is None else (stat.size, stat.mtime_ns) for stat in resume.files)
    body = encode(
        {
            "downloaded": resume.downloaded,
            "files": b"".join(STAT.pack(*stat) for stat in stats),
            "info": resume.info,
            "info_hash": bytes(resume.info_hash),
            "uploaded": resume.uploaded,
            "verified": to_wire(resume.verified, resume.verified.bit_length()),
        }
    )
    return HEADER + sha256(body).digest() + body


def decode_resume(data: bytes) -> ResumeData:
    """The inverse of `encode_resume`. Raises StorageError for anything it did not write."""
    body = memoryview(data)[len(HEADER) + DIGEST_LENGTH :].tobytes()
    if data[: -len(body) or None] != HEADER + sha256(body).digest():
        raise _damaged()
    try:
        fields, _ = decode_dict(body)
        return _build(fields)
    except BencodeError as error:
        raise _damaged() from error


def _build(fields: dict[bytes, Value]) -> ResumeData:
    match fields:
        case {
            b"downloaded": int(downloaded),
            b"files": bytes(files),
            b"info": bytes(info),
            b"info_hash": bytes(info_hash),
            b"uploaded": int(uploaded),
            b"verified": bytes(verified),
        } if sha1(info).digest() == info_hash and len(verified) <= len(info) and len(files) % STAT.size == 0:
            return ResumeData(
                info_hash=InfoHash.decode(info_hash),
                info=info,
                verified=from_wire(verified),
                files=tuple(_stat(*stat) for stat in STAT.iter_unpack(files)),
                downloaded=downloaded,
                uploaded=uploaded,
            )
    raise _damaged()


def _stat(size: int, mtime_ns: int) -> FileStat | None:
    return None if size == ABSENT else FileStat(size, mtime_ns)


def _damaged() -> StorageError:
    return StorageError("this is no resume data of this version, or it is damaged", Reason.DISK_ERROR)
