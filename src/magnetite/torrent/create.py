"""Decisions in making a torrent: the length of its pieces, the order of its files, its info dictionary. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from magnetite.bencoding import Encodable, encode
from magnetite.errors import InvalidMetainfo
from magnetite.torrent.names import safe_paths

MIN_PIECE_LENGTH = 16 * 1024
MAX_PIECE_LENGTH = 16 * 1024 * 1024  # beyond it a bad piece costs too much, and small clients refuse
PIECES_AIMED_AT = 1024  # keeps the metadata at some 20 KiB: few round trips for whoever opens the magnet

SizedPath = tuple[tuple[str, ...], int]
"""A file's path, beginning with the torrent's name, and its length in bytes."""


def choose_piece_length(length: int) -> int:
    """The power of two that cuts `length` bytes into at most 1,024 pieces, between 16 KiB and 16 MiB."""
    piece_length = MIN_PIECE_LENGTH
    while piece_length < MAX_PIECE_LENGTH and length > piece_length * PIECES_AIMED_AT:
        piece_length *= 2
    return piece_length


def in_order(files: Iterable[SizedPath]) -> list[SizedPath]:
    """The files in the order they get in the torrent: by the bytes of their paths, folder by folder.

    The same folder so makes the same info-hash on every machine.
    """
    return sorted(files, key=lambda file: [component.encode(errors="surrogateescape") for component in file[0]])


def encode_info(files: Sequence[SizedPath], piece_length: int, piece_hashes: bytes) -> bytes:
    """The info dictionary of a torrent of these files (BEP 3): one path of one component is a single file.

    Raises InvalidMetainfo for names that would have to be changed on other machines, and for no bytes at all.
    """
    if not sum(length for _, length in files):
        raise InvalidMetainfo("there is nothing to share: no file holds a byte")
    paths = [path for path, _ in files]
    for path, safe in zip(paths, safe_paths(paths), strict=True):
        if path != safe:
            raise InvalidMetainfo(
                f"{'/'.join(path)!a} cannot be shared under this name, it would become {'/'.join(safe)!a} "
                "elsewhere; rename it"
            )
    info: dict[str, Encodable] = {"name": paths[0][0], "piece length": piece_length, "pieces": piece_hashes}
    if len(paths[0]) == 1:
        info["length"] = files[0][1]
    else:
        info["files"] = [{"length": length, "path": path[1:]} for path, length in files]
    return encode(info)
