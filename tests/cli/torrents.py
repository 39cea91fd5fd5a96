"""Torrents of every unwelcome kind."""

from __future__ import annotations

from pathlib import Path

from magnetite.bencoding import Encodable, encode

INFO_HASH = "00" * 19 + "01"  # nobody has it
V2_MAGNET = "magnet:?xt=urn:btmh:1220" + "ab" * 32


def write_torrent(path: Path, **extra: Encodable) -> Path:
    """A .torrent file of one byte, with `extra` in its info dictionary."""
    info: dict[str, Encodable] = {"length": 1, "name": "byte", "piece length": 16384, "pieces": b"\0" * 20, **extra}
    path.write_bytes(encode({"info": info}))
    return path
