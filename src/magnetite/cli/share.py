"""`magnetite share`: make a torrent of files and seed it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from magnetite.cli.create import hash_files, report_created, save_torrent
from magnetite.cli.networking import Networking
from magnetite.cli.options import limit_options, report_options, swarm_options
from magnetite.cli.reaching import reach_options
from magnetite.cli.report import Report
from magnetite.cli.seeding import give_back
from magnetite.cli.status import DhtTally, status_of
from magnetite.events import Event


@click.command(epilog="Example:  magnetite share holiday/ --save holiday.torrent")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE", help="Write the torrent there, too.")
@click.option(
    "--super-seed", is_flag=True, help="Show each peer one piece at a time: for the only seed, on a slow line (BEP 16)."
)
@swarm_options
@reach_options
@limit_options
@report_options
def share(path: Path, save: Path | None, super_seed: bool, networking: Networking, run: Callable[..., None]) -> None:
    """Share a file or folder: print its magnet link, then seed it until Ctrl-C."""
    run(partial(_share, path, save, super_seed, networking), serves=True)


async def _share(path: Path, save: Path | None, super_seed: bool, networking: Networking, report: Report) -> None:
    created = await hash_files(path, report)
    metainfo = created.metainfo
    if save is not None:
        await save_torrent(metainfo, save)
    tally = DhtTally()

    def observe(event: Event) -> None:
        tally.observe(event)
        report.observe(event)

    async with networking.open_client(observe) as client:
        download = await client.add(
            metainfo, into=_folder(path), peers=networking.peers, resume=created.resume, super_seed=super_seed
        )
        await report_created(metainfo, save, report)  # not before whoever reads it is let in
        if client.announced_port is not None:
            report.say(f"peers reach us at port {client.port}")
        async with report.showing(lambda: status_of(download.progress(), tally if networking.dht else None)):
            await download.completed()
            await give_back(download)


def _folder(path: Path) -> Path:
    return path.resolve().parent
