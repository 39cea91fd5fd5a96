"""Torrents for tests, built by hand rather than by the code under test."""

from __future__ import annotations

from hashlib import sha1
from random import Random

from magnetite.bencoding import encode
from magnetite.torrent.metainfo import Metainfo, decode_info


def content(length: int, seed: int = 0) -> bytes:
    return Random(seed).randbytes(length)


def hashes(data: bytes, piece_length: int) -> bytes:
    return b"".join(sha1(data[at : at + piece_length]).digest() for at in range(0, len(data), piece_length))


def single(data: bytes, piece_length: int = 16384, name: str = "file.bin") -> Metainfo:
    """A torrent of one file."""
    info = {"length": len(data), "name": name, "piece length": piece_length, "pieces": hashes(data, piece_length)}
    return decode_info(encode(info))


def multi(lengths: dict[str, int], piece_length: int = 16384, name: str = "folder") -> tuple[Metainfo, bytes]:
    """A torrent of files by slashed path, and its bytes; a path that begins with `.pad` is padding (BEP 47)."""
    parts, files = [], []
    for number, (path, length) in enumerate(lengths.items()):
        is_padding = path.startswith(".pad")
        parts.append(bytes(length) if is_padding else content(length, number))
        files.append({"length": length, "path": path.split("/")} | ({"attr": "p"} if is_padding else {}))
    data = b"".join(parts)
    info = {"files": files, "name": name, "piece length": piece_length, "pieces": hashes(data, piece_length)}
    return decode_info(encode(info)), data


def piece_of(metainfo: Metainfo, data: bytes, piece: int) -> bytes:
    return data[piece * metainfo.piece_length : (piece + 1) * metainfo.piece_length]
