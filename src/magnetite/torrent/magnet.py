"""Magnet links: a torrent named by its info-hash (BEP 9), or by who publishes it (BEP 46). Pure."""

from __future__ import annotations

import re
from base64 import b32decode
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from magnetite.endpoint import split_host_port
from magnetite.errors import InvalidMagnet, UnsupportedTorrent
from magnetite.ids import InfoHash
from magnetite.torrent.selection import IndexRanges, format_ranges, parse_ranges

MAX_TEXT = 64 * 1024  # characters; links with dozens of trackers are below 10,000

_SCHEME = re.compile(r"magnet:/*\?", re.IGNORECASE)
_NUMBERED = re.compile(r"(xt|dn|tr|xl)\.\d+", re.ASCII)
_BTIH = re.compile(r"urn:btih:(.*)", re.IGNORECASE | re.DOTALL)
_BTMH = re.compile(r"urn:btmh:", re.IGNORECASE)
_BTPK = re.compile(r"urn:btpk:(.*)", re.IGNORECASE | re.DOTALL)
_KEY = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_SALT = re.compile(r"([0-9a-f]{2}){0,64}", re.IGNORECASE)  # 64 bytes at most (BEP 44)
_HEX = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_BASE32 = re.compile(r"[a-z2-7]{32}", re.IGNORECASE)
_HOST = re.compile(r"[^\s\[\]/@\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class MagnetLink:
    """One magnet link. `str()` writes it in canonical form."""

    info_hash: InfoHash
    name: str | None = None  # dn: what to show until the metadata is there
    length: int | None = None  # xl: bytes of content
    trackers: tuple[str, ...] = ()  # tr: kept and shown, never contacted
    peers: tuple[tuple[str, int], ...] = ()  # x.pe: host or address, and port
    files: IndexRanges = ()  # so: the files to download, all if empty (BEP 53)

    def __str__(self) -> str:
        fields = [f"xt=urn:btih:{self.info_hash}"]
        if self.name is not None:
            fields.append(f"dn={_quote(self.name)}")
        if self.length is not None:
            fields.append(f"xl={self.length}")
        fields += [f"tr={_quote(url)}" for url in self.trackers]
        fields += [f"x.pe={_quote(f'[{host}]' if ':' in host else host)}:{port}" for host, port in self.peers]
        if self.files:
            fields.append(f"so={format_ranges(self.files)}")
        return "magnet:?" + "&".join(fields)


def parse_magnet(text: str) -> MagnetLink:
    """The link in `text`, as pasted by a person.

    Of several btih topics the first counts. Optional fields that make no sense are left out, except `so`: guessing
    which files are meant would download the wrong ones. Raises InvalidMagnet, and UnsupportedTorrent for a link with
    a v2 info-hash (btmh, BEP 52) only.
    """
    fields = _fields(text)
    return MagnetLink(
        info_hash=_topic(fields["xt"]),
        name=next(filter(None, fields["dn"]), None),
        length=next((int(digits) for digits in fields["xl"] if _is_length(digits)), None),
        trackers=tuple(dict.fromkeys(filter(None, fields["tr"]))),
        peers=_peers(fields["x.pe"]),
        files=_files(fields["so"]),
    )


@dataclass(frozen=True, slots=True)
class FeedLink:
    """A link to whatever torrent a publisher names last (BEP 46, Magnet link). `str()` writes it in canonical form."""

    key: bytes  # Ed25519, 32 bytes: the publisher
    salt: bytes = b""  # which of the publisher's feeds
    name: str | None = None  # dn: what to show

    def __str__(self) -> str:
        salt = f"&s={self.salt.hex()}" if self.salt else ""
        name = f"&dn={_quote(self.name)}" if self.name is not None else ""
        return f"magnet:?xs=urn:btpk:{self.key.hex()}{salt}{name}"


def parse_feed_link(text: str) -> FeedLink | None:
    """The link in `text` if it names a publisher; None if it names a torrent, or is no link.

    A link with an info-hash means that torrent, whoever publishes it. Raises InvalidMagnet if key or salt are wrong.
    """
    if len(text) > MAX_TEXT or not _SCHEME.match(text.strip()):
        return None
    fields = _fields(text)
    keys = [match[1] for source in fields["xs"] if (match := _BTPK.fullmatch(source))]
    if not keys or any(_BTIH.match(topic) for topic in fields["xt"]):
        return None
    if not _KEY.fullmatch(keys[0]):
        raise InvalidMagnet(f"{_shown(keys[0])} in this link is no public key: it takes 64 hexadecimal digits")
    salt = next(iter(fields["s"]), "")
    if not _SALT.fullmatch(salt):
        raise InvalidMagnet(f"the salt s={_shown(salt)} of this link is not 0 to 64 bytes in hexadecimal digits")
    return FeedLink(bytes.fromhex(keys[0]), bytes.fromhex(salt), next(filter(None, fields["dn"]), None))


def parse_info_hash(text: str) -> InfoHash:
    """An info-hash in 40 hexadecimal digits or 32 of base32 (BEP 9). Raises InvalidMagnet."""
    text = text.strip()
    if _HEX.fullmatch(text):
        return InfoHash(int(text, 16))
    if _BASE32.fullmatch(text):
        return InfoHash.decode(b32decode(text.upper()))
    raise InvalidMagnet(
        f"{_shown(text)} ({len(text)} characters) is no info-hash: it takes 40 hexadecimal digits or 32 of base32; "
        "copy the whole link again"
    )


def _fields(text: str) -> defaultdict[str, list[str]]:
    """Every field's values in order, names in lower case, `xt.1` and its like counted as `xt`."""
    if len(text) > MAX_TEXT:
        raise InvalidMagnet(f"a magnet link of {len(text)} characters; at most {MAX_TEXT} are read")
    text = text.strip().encode(errors="replace").decode()  # an argument may hold lone surrogates
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise InvalidMagnet(f"{_shown(text)} is no magnet link: it must begin with 'magnet:?xt=urn:btih:'")
    fields: defaultdict[str, list[str]] = defaultdict(list)
    query = text[scheme.end() :].replace("&amp;", "&")  # copied from the source of a web page
    for key, value in parse_qsl(query, keep_blank_values=True):
        key = key.lower()
        numbered = _NUMBERED.fullmatch(key)
        fields[numbered[1] if numbered else key].append(value.strip())
    return fields


def _topic(topics: list[str]) -> InfoHash:
    for topic in topics:
        if match := _BTIH.fullmatch(topic):
            return parse_info_hash(match[1])
    if any(_BTMH.match(topic) for topic in topics):
        raise UnsupportedTorrent(
            "this link names a BitTorrent v2 torrent only (xt=urn:btmh:), which is not supported yet; "
            "look for a link to it with xt=urn:btih:"
        )
    raise InvalidMagnet("this magnet link has no 'xt=urn:btih:' and so names no BitTorrent torrent; copy it again")


def _peers(values: list[str]) -> tuple[tuple[str, int], ...]:
    peers: dict[tuple[str, int], None] = {}
    for value in values:
        try:
            host, port = split_host_port(value)
        except ValueError:
            continue
        if _HOST.fullmatch(host):
            peers[host, port] = None
    return tuple(peers)


def _files(values: list[str]) -> IndexRanges:
    text = ",".join(filter(None, values))
    try:
        return parse_ranges(text) if text else ()
    except ValueError as error:
        raise InvalidMagnet(f"the file selection so={_shown(text)} of this link: {error}") from None


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19  # below 2^63


def _quote(text: str) -> str:
    return quote(text, safe="")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
