"""`magnetite create`: make a torrent of files, without any network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import click
import trio

from magnetite.cli.options import report_options
from magnetite.cli.report import Report
from magnetite.cli.status import Phase, Status
from magnetite.cli.text import shortened, size
from magnetite.storage.atomic import write_atomically
from magnetite.storage.create import Created, create_torrent
from magnetite.storage.failures import naming
from magnetite.torrent.magnet import MagnetLink
from magnetite.torrent.metainfo import Metainfo, encode_torrent


@click.command(epilog="Example:  magnetite create holiday/ -o holiday.torrent")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write the torrent.  [default: NAME.torrent in the current folder]",
)
@report_options
def create(path: Path, output: Path | None, run: Callable[..., None]) -> None:
    """Write the torrent of a file or folder, and print its magnet link."""
    run(partial(_create, path, output))


async def _create(path: Path, output: Path | None, report: Report) -> None:
    metainfo = (await hash_files(path, report)).metainfo
    torrent = output or Path(f"{metainfo.name}.torrent")
    await save_torrent(metainfo, torrent)
    await report_created(metainfo, torrent, report)


async def hash_files(path: Path, report: Report) -> Created:
    """The torrent of what is at `path`, with a bar while it is hashed. Raises as `create_torrent`."""
    status = Status(Phase.HASHING, f"{shortened(str(path))}: looking what is there")

    def on_progress(done: int, total: int) -> None:
        nonlocal status
        words = f"{shortened(path.name or str(path))}: hashed {size(done)} of {size(total)}"
        status = Status(Phase.HASHING, words, done, total)

    async with report.showing(lambda: status):
        return await create_torrent(path, created_by=f"magnetite {version('magnetite')}", progress=on_progress)


async def save_torrent(metainfo: Metainfo, path: Path) -> None:
    """Write a .torrent file. Raises StorageError."""
    await trio.to_thread.run_sync(_write, path, encode_torrent(metainfo))


async def report_created(metainfo: Metainfo, torrent: Path | None, report: Report) -> None:
    """Print the magnet link. `torrent` is the file that was written, if one was."""
    magnet = str(MagnetLink(metainfo.info_hash, metainfo.name, metainfo.length))
    await report.result(
        magnet,
        "created",
        magnet=magnet,
        info_hash=str(metainfo.info_hash),
        name=metainfo.name,
        length=metainfo.length,
        torrent=str(torrent) if torrent else None,
    )


def _write(path: Path, data: bytes) -> None:
    if path.exists() and not path.is_file():  # a pipe or a device, which must not be replaced by a file
        with naming(path):
            path.write_bytes(data)
    else:
        write_atomically(path, data)
