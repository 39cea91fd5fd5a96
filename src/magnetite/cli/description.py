"""A torrent described for people. Pure."""

from __future__ import annotations

from magnetite.cli.text import count, printable, size
from magnetite.torrent.metainfo import FileEntry, Metainfo

FILES_SHOWN = 20  # `--json` has them all


def describe(metainfo: Metainfo) -> str:
    """Name, info-hash, size and files, in some lines."""
    files = real_files(metainfo)
    lines = [
        printable(metainfo.name),
        f"  info-hash  {metainfo.info_hash}",
        f"  size       {size(metainfo.length)} in {count(files, 'file')}, {count(metainfo.piece_count, 'piece')}",
    ]
    lines += [f"  {size(entry.length):>10}  {printable('/'.join(entry.path))}" for entry in files[:FILES_SHOWN]]
    if len(files) > FILES_SHOWN:
        lines.append(f"  … and {count(len(files) - FILES_SHOWN, 'file')} more (all of them with --json)")
    return "\n".join(lines)


def real_files(metainfo: Metainfo) -> list[FileEntry]:
    """The files without the padding between them (BEP 47)."""
    return [entry for entry in metainfo.files if not entry.is_padding]
