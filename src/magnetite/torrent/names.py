"""File names out of a torrent, made safe to create on any file system. Pure.

A name is changed only where it must be: people seed folders that other clients have written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from magnetite.errors import InvalidMetainfo

PARTIAL_SUFFIX = ".part"  # of a file on disk that is not complete yet
MAX_NAME = 255 - len(PARTIAL_SUFFIX)  # bytes of UTF-8; file systems take 255
MAX_NESTING = 64  # folders in folders
KNOWN_NAMES = 1024  # that are not made safe again; most components are folders, named once a file

# Separators, control characters, marks that reverse the reading direction (`gpj.exe` shown as `exe.jpg`), surrogates.
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DRIVE = re.compile(r"^([A-Za-z]):")
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)  # Windows' devices
_LONGEST_EXTENSION = 20  # bytes, dot included, that are kept when a name is shortened


class _Folder:
    """A folder's names, by `_identity`: an inner folder, or None for a file and for the name its partial takes."""

    __slots__ = ("entries", "stand_ins")

    def __init__(self) -> None:
        self.entries: dict[str, _Folder | None] = {}
        self.stand_ins: dict[str, tuple[str, _Folder]] = {}  # folders whose own name a file had already


class _Tree:
    """Places files one after the other and gives each a name of its own.

    Numbers for names that are taken come from one counter: a counter a name would let a torrent of many colliding
    names cost quadratic time.
    """

    def __init__(self) -> None:
        self._root = _Folder()
        self._number = 1

    def place(self, path: tuple[str, ...]) -> tuple[str, ...]:
        folder, placed = self._root, []
        for name in path[:-1]:
            name, folder = self._enter(folder, name)
            placed.append(name)
        return (*placed, self._add_file(folder, path[-1]))

    def _enter(self, folder: _Folder, name: str) -> tuple[str, _Folder]:
        identity = _identity(name)
        if identity in folder.stand_ins:
            return folder.stand_ins[identity]
        if identity not in folder.entries:
            folder.entries[identity] = _Folder()
        inner = folder.entries[identity]
        if inner is None:
            name = self._free_name(folder, name)
            inner = folder.entries[_identity(name)] = _Folder()
            folder.stand_ins[identity] = name, inner
        return name, inner

    def _add_file(self, folder: _Folder, name: str) -> str:
        if not _is_free(folder, name):
            name = self._free_name(folder, name)
        folder.entries[_identity(name)] = folder.entries[_identity(name + PARTIAL_SUFFIX)] = None
        return name

    def _free_name(self, folder: _Folder, name: str) -> str:
        while True:
            self._number += 1
            candidate = _numbered(name, self._number)
            if _is_free(folder, candidate):
                return candidate


def safe_paths(paths: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The paths with every component safe, and no two the same on a file system that ignores case.

    Distinct also are a file's partial name and a folder from any file. The result depends on nothing but the paths
    and their order. Raises InvalidMetainfo for an empty path or one nested absurdly deep.
    """
    tree = _Tree()
    placed = []
    made_safe = lru_cache(KNOWN_NAMES)(safe_name)
    for path in paths:
        if not 0 < len(path) <= MAX_NESTING:
            raise InvalidMetainfo(f"a file path of {len(path)} components; 1 to {MAX_NESTING} make sense")
        placed.append(tree.place(tuple(map(made_safe, path))))
    return placed


def safe_name(name: str) -> str:
    """One path component that any file system takes, and that stays where it is put.

    `..` and its like become `_`, separators and control characters too; Windows' device names get a `_` in front;
    dots and spaces at the end go; a name beyond MAX_NAME bytes loses the end of its stem.
    """
    name = _DRIVE.sub(r"\1_", _UNSAFE.sub("_", name)).rstrip(". ")
    name = _shorten(_no_device(name), MAX_NAME)
    return _no_device(name) or "_"  # once more: what was cut off may have told it from a device


def _no_device(name: str) -> str:
    return "_" + name if _RESERVED.fullmatch(name.partition(".")[0].rstrip(" ")) else name


def _is_free(folder: _Folder, name: str) -> bool:
    return _identity(name) not in folder.entries and _identity(name + PARTIAL_SUFFIX) not in folder.entries


def _identity(name: str) -> str:
    """Equal for names that some file system takes for the same: case and the composition of accents do not count."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _numbered(name: str, number: int) -> str:
    stem, extension = _split(name)
    mark = f" ({number})"
    return _cut(stem, MAX_NAME - len(mark) - len(extension.encode())) + mark + extension


def _shorten(name: str, limit: int) -> str:
    if len(name.encode()) <= limit:
        return name
    stem, extension = _split(name)
    return _cut(stem, limit - len(extension.encode())).rstrip(". ") + extension


def _split(name: str) -> tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) >= _LONGEST_EXTENSION:
        return name, ""
    return stem, dot + extension


def _cut(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore")
