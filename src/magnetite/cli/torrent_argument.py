"""What people name a torrent by on a command line: a magnet link, an info-hash, or a .torrent file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from magnetite.errors import InvalidMagnet, InvalidMetainfo, MagnetiteError, Reason, StorageError
from magnetite.storage.failures import storage_error
from magnetite.torrent.magnet import MagnetLink, parse_info_hash, parse_magnet
from magnetite.torrent.metainfo import Metainfo, decode_torrent

LARGEST_TORRENT = 64 << 20  # bytes of a .torrent file; a larger one is something else by mistake
LARGEST_LIST = 64 << 20  # bytes of a list of links

_LOOKS_LIKE_INFO_HASH = re.compile(r"[0-9a-z]{32}|[0-9a-z]{40}", re.IGNORECASE)


def parse_torrent(text: str) -> MagnetLink | Metainfo:
    """What `text` names. To open a file whose name looks like an info-hash, write `./NAME`. Blocks.

    Raises InvalidMagnet, UnsupportedTorrent, InvalidMetainfo, or StorageError (an unreadable file).
    """
    if text.strip()[:7].lower() == "magnet:" or _LOOKS_LIKE_INFO_HASH.fullmatch(text.strip()):
        return parse_link(text)
    if "://" in text:
        raise InvalidMagnet(
            f"{text[:60]!r} is a web address; download the .torrent file and name that, or use a magnet link"
        )
    path = Path(text)
    if path.suffix == ".torrent" or os.path.exists(text):
        try:
            return decode_torrent(read_file(path, LARGEST_TORRENT))
        except InvalidMetainfo as error:
            raise InvalidMetainfo(f"{path}: {error}") from error
    raise InvalidMagnet(f"{text[:60]!r} is no magnet link, no info-hash (40 hexadecimal digits) and no file")


def parse_link(text: str) -> MagnetLink:
    """A magnet link or a bare info-hash. Raises InvalidMagnet or UnsupportedTorrent."""
    return parse_magnet(text) if ":" in text else MagnetLink(parse_info_hash(text))


def parse_all(
    texts: Iterable[str], lines: Iterable[str]
) -> Iterator[tuple[str, MagnetLink | Metainfo | MagnetiteError]]:
    """Each torrent named by an argument or in a line of a list: where, and what it is, or what is wrong with it.

    A line holds one link or info-hash; empty ones and those that begin with `#` do not count. Blocks.
    """
    for number, text in enumerate(texts, 1):
        yield f"argument {number}", _parse(parse_torrent, text)
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"line {number}", _parse(parse_link, line)


def read_list(name: str) -> list[str]:
    """The lines of a file, or of standard input for `-`. Blocks; raises StorageError if it cannot be read."""
    return read_bytes(name, LARGEST_LIST).decode(errors="replace").splitlines()


def read_bytes(name: str, limit: int) -> bytes:
    """All of a file, or of standard input for `-`. Blocks. Raises StorageError, also for more than `limit` bytes."""
    if name != "-":
        return read_file(Path(name), limit)
    parts, length = [], 0
    for part in _standard_input():
        parts.append(part)
        length += len(part)
        if length > limit:
            raise StorageError(f"standard input: longer than {limit} bytes", Reason.NOT_READABLE)
    return b"".join(parts)


def read_file(path: Path, limit: int) -> bytes:
    """All of a file. Blocks. Raises StorageError, also for one longer than `limit` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise StorageError(f"{path}: there is no such file; check the name", Reason.NOT_READABLE) from None
    except IsADirectoryError:
        raise StorageError(f"{path}: this is a folder; name a file", Reason.NOT_READABLE) from None
    except OSError as error:
        raise storage_error(error, path, reading=True) from error
    if len(data) > limit:
        raise StorageError(f"{path}: longer than {limit} bytes; this is no list or torrent", Reason.NOT_READABLE)
    return data


def _parse(parse: Callable[[str], MagnetLink | Metainfo], text: str) -> MagnetLink | Metainfo | MagnetiteError:
    try:
        return parse(text)
    except MagnetiteError as error:
        return error


def _standard_input() -> Iterator[bytes]:
    """Past Python's buffers: a thread that waits here must not hold their lock when the program ends."""
    while data := os.read(sys.stdin.fileno(), 1 << 16):
        yield data
