"""What a torrent is made of: its files, its pieces and their hashes (BEP 3, 5, 9, 27, 47). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha1

from magnetite.bencoding import METAINFO, Encodable, Value, decode_dict, encode
from magnetite.errors import BencodeError, InvalidMetainfo, MetadataMismatch, PrivateTorrent, UnsupportedTorrent
from magnetite.ids import InfoHash
from magnetite.torrent.names import safe_name, safe_paths

HASH_LENGTH = 20  # bytes of a SHA-1
MAX_PIECE_LENGTH = 1 << 28  # a piece is held in memory until it is hashed; other clients create up to 256 MiB
MAX_LENGTH = 1 << 63  # offsets in files are signed 64-bit integers
MAX_FILES = 200_000
MAX_NODES = 100


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file, at its place in the torrent's bytes.

    `path` is safe to create below a download folder and begins with the torrent's name; `offset` and `length` are
    bytes. A padding file only aligns the next one: its bytes are zeros and are never on disk (BEP 47).
    """

    path: tuple[str, ...]
    length: int
    offset: int
    is_padding: bool = False


@dataclass(frozen=True, slots=True)
class Metainfo:
    """A torrent. `info` are the raw bytes of its info dictionary as published, whose SHA-1 is `info_hash`."""

    info_hash: InfoHash
    name: str  # safe, as in the paths
    piece_length: int  # bytes, of every piece but the last
    piece_hashes: memoryview = field(repr=False)  # 20 bytes a piece; a part of `info`, which is mostly that
    files: tuple[FileEntry, ...] = field(repr=False)
    length: int  # bytes of all files together
    is_private: bool
    info: bytes = field(repr=False)
    trackers: tuple[str, ...] = ()  # kept and shown, never contacted
    nodes: tuple[tuple[str, int], ...] = ()  # of the DHT: host and port (BEP 5)
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = None  # seconds since 1970

    @property
    def piece_count(self) -> int:
        return len(self.piece_hashes) // HASH_LENGTH

    def piece_hash(self, piece: int) -> bytes:
        return bytes(self.piece_hashes[piece * HASH_LENGTH : (piece + 1) * HASH_LENGTH])


def decode_torrent(data: bytes) -> Metainfo:
    """The torrent in the bytes of a .torrent file.

    Raises InvalidMetainfo, and UnsupportedTorrent for one of version 2 only (BEP 52); a hybrid is read as version 1.
    Fields that are not needed to share the content are left out where they make no sense.
    """
    torrent, spans = _dictionary(data)
    info = torrent.get(b"info")
    if not isinstance(info, dict):
        raise InvalidMetainfo("no info dictionary: this is not a .torrent file")
    return replace(
        _build(info, data[slice(*spans[b"info"])]),
        trackers=_trackers(torrent),
        nodes=_nodes(torrent),
        comment=_text(torrent, b"comment"),
        created_by=_text(torrent, b"created by"),
        creation_date=_integer(torrent, b"creation date"),
    )


def decode_info(data: bytes, info_hash: InfoHash | None = None) -> Metainfo:
    """The torrent in the bytes of an info dictionary, as peers send it (BEP 9).

    Raises MetadataMismatch if `info_hash` is given and is not their SHA-1; else as `decode_torrent`.
    """
    if info_hash is not None and sha1(data).digest() != bytes(info_hash):
        raise MetadataMismatch(f"these {len(data)} bytes are not the metadata of {info_hash}")
    return _build(_dictionary(data)[0], data)


def encode_torrent(metainfo: Metainfo) -> bytes:
    """A .torrent file, the info dictionary unchanged; each tracker is a tier of its own (BEP 12)."""
    before: dict[bytes, Encodable] = {}
    if metainfo.trackers:
        before[b"announce"] = metainfo.trackers[0]
        before[b"announce-list"] = [[url] for url in metainfo.trackers]
    if metainfo.comment is not None:
        before[b"comment"] = metainfo.comment
    if metainfo.created_by is not None:
        before[b"created by"] = metainfo.created_by
    if metainfo.creation_date is not None:
        before[b"creation date"] = metainfo.creation_date
    after: dict[bytes, Encodable] = {b"nodes": metainfo.nodes} if metainfo.nodes else {}
    # Spliced, not re-encoded: an info dictionary that is not in canonical form must keep its hash.
    return encode(before)[:-1] + b"4:info" + metainfo.info + encode(after)[1:]


def refuse_private(metainfo: Metainfo) -> None:
    """Raises PrivateTorrent for a torrent that must not be announced in the DHT (BEP 27)."""
    if metainfo.is_private:
        raise PrivateTorrent(
            f"{metainfo.name!r} is a private torrent: it may be shared through its own tracker only, and magnetite "
            "finds peers in the DHT; open it with the client its tracker recommends"
        )


# -- the info dictionary ---------------------------------------------------------------------------------------------


def _dictionary(data: bytes) -> tuple[dict[bytes, Value], dict[bytes, tuple[int, int]]]:
    try:
        return decode_dict(data, METAINFO)
    except BencodeError as error:
        raise InvalidMetainfo(f"not a torrent: {error}") from error


def _build(info: dict[bytes, Value], raw: bytes) -> Metainfo:
    if b"pieces" not in info and (b"meta version" in info or b"file tree" in info):
        raise UnsupportedTorrent("a BitTorrent v2 torrent without a v1 part is not supported yet")
    info_hash = InfoHash.decode(sha1(raw).digest())
    name = _text(info, b"name")
    if name is None:
        raise InvalidMetainfo("the torrent has no name")
    name = safe_name(name or str(info_hash))
    files = tuple(_files(info, name))
    length = files[-1].offset + files[-1].length
    piece_length = _integer(info, b"piece length")
    if piece_length is None or not 0 < piece_length <= MAX_PIECE_LENGTH:
        raise InvalidMetainfo(f"a piece length of {piece_length} bytes; 1 to {MAX_PIECE_LENGTH} make sense")
    return Metainfo(
        info_hash=info_hash,
        name=name,
        piece_length=piece_length,
        piece_hashes=_piece_hashes(info, raw, length, piece_length),
        files=files,
        length=length,
        is_private=bool(_integer(info, b"private")),
        info=raw,
    )


def _piece_hashes(info: dict[bytes, Value], raw: bytes, length: int, piece_length: int) -> memoryview:
    hashes = info.get(b"pieces")
    if not isinstance(hashes, bytes) or len(hashes) % HASH_LENGTH:
        raise InvalidMetainfo("the piece hashes are missing or no multiple of 20 bytes")
    if length == 0:  # nothing to fetch, nothing to check, and every division by the piece count would need a guard
        raise InvalidMetainfo("the torrent holds no bytes at all")
    count = -(-length // piece_length)
    if len(hashes) != count * HASH_LENGTH:
        raise InvalidMetainfo(f"{len(hashes) // HASH_LENGTH} piece hashes where {length} bytes make {count} pieces")
    at = raw.index(hashes)
    return memoryview(raw)[at : at + len(hashes)]


def _files(info: dict[bytes, Value], name: str) -> Iterator[FileEntry]:
    if (b"files" in info) == (b"length" in info):
        raise InvalidMetainfo("a torrent has either a length or a list of files")
    if b"length" in info:
        yield FileEntry((name,), _length(info, 0), 0)
        return
    entries = _entries(info[b"files"])
    paddings = [b"p" in _attributes(entry) for entry in entries]
    paths = iter(
        safe_paths((name, *_path(e)) for e, is_padding in zip(entries, paddings, strict=True) if not is_padding)
    )
    offset = 0
    for entry, is_padding in zip(entries, paddings, strict=True):
        length = _length(entry, offset)
        path = (name, ".pad", str(length)) if is_padding else next(paths)
        yield FileEntry(path, length, offset, is_padding)
        offset += length


def _entries(files: Value) -> list[dict[bytes, Value]]:
    if not isinstance(files, list) or not 0 < len(files) <= MAX_FILES:
        raise InvalidMetainfo(f"the list of files is missing, empty, or longer than {MAX_FILES}")
    entries = [entry for entry in files if isinstance(entry, dict)]
    if len(entries) != len(files):
        raise InvalidMetainfo("the list of files holds something else than files")
    return entries


def _length(entry: dict[bytes, Value], offset: int) -> int:
    """Bytes of a file that begins at `offset`.

    A symlink may leave its length out (BEP 47); we make none, it becomes an empty file.
    """
    length = _integer(entry, b"length")
    if length is None and b"l" in _attributes(entry):
        length = 0
    if length is None or length < 0 or offset + length >= MAX_LENGTH:
        raise InvalidMetainfo(f"a file of {length} bytes at byte {offset}")
    return length


def _path(entry: dict[bytes, Value]) -> tuple[str, ...]:
    components = entry.get(b"path.utf-8", entry.get(b"path"))
    if not isinstance(components, list) or not components:
        raise InvalidMetainfo("a file without a path")
    if not all(isinstance(component, bytes) for component in components):
        raise InvalidMetainfo("a file path with something else than names")
    return tuple(component.decode(errors="replace") for component in components if isinstance(component, bytes))


def _attributes(entry: dict[bytes, Value]) -> bytes:
    attributes = entry.get(b"attr")
    return attributes if isinstance(attributes, bytes) else b""


# -- fields ----------------------------------------------------------------------------------------------------------


def _text(dictionary: Mapping[bytes, Value], key: bytes) -> str | None:
    """Text, from the `.utf-8` twin of the key if there is one; bytes that are no UTF-8 are replaced."""
    for value in (dictionary.get(key + b".utf-8"), dictionary.get(key)):
        if isinstance(value, bytes):
            return value.decode(errors="replace")
    return None


def _integer(dictionary: Mapping[bytes, Value], key: bytes) -> int | None:
    value = dictionary.get(key)
    return value if isinstance(value, int) else None


def _trackers(torrent: dict[bytes, Value]) -> tuple[str, ...]:
    """The announce URLs of every tier (BEP 12), else the one of BEP 3."""
    tiers = torrent.get(b"announce-list")
    listed = [url for tier in tiers if isinstance(tier, list) for url in tier] if isinstance(tiers, list) else []
    urls = [
        url.decode(errors="replace") for url in [*listed, torrent.get(b"announce")] if isinstance(url, bytes) and url
    ]
    return tuple(dict.fromkeys(urls))


def _nodes(torrent: dict[bytes, Value]) -> tuple[tuple[str, int], ...]:
    listed = torrent.get(b"nodes")
    nodes = []
    for node in listed if isinstance(listed, list) else []:
        match node:
            case [bytes(host), int(port)] if host and 0 < port < 1 << 16:
                nodes.append((host.decode(errors="replace"), port))
    return tuple(nodes[:MAX_NODES])
