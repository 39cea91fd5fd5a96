"""`get --serve`: the files of a download over HTTP while it runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import click

from magnetite.background import background
from magnetite.cli.report import Report
from magnetite.cli.values import SERVE_AT
from magnetite.download import Download
from magnetite.endpoint import Address
from magnetite.web.listeners import tcp_listener

FLAG: Final = "--serve"

_LOOKS_LIKE_ADDRESS = re.compile(r"(?:(?:\[[^]]*\]|[^:/?]*):)?\d{1,5}", re.ASCII)  # HOST:PORT, :PORT or PORT


class ServingCommand(click.Command):
    """A verb whose `--serve` may stand without an address, also before what is no address."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_address(args))


def with_address(args: Sequence[str]) -> list[str]:
    """The arguments, with an address given to a `--serve` that has none: click would take whatever comes next. Pure."""
    completed = list(args)
    for at, arg in enumerate(args):
        if arg == "--":
            break
        if arg == FLAG and not (at + 1 < len(args) and _is_address(args[at + 1])):
            completed[at] = f"{FLAG}={SERVE_AT}"
    return completed


@asynccontextmanager
async def serving(download: Download, address: Address | None, report: Report) -> AsyncIterator[None]:
    """The files can be had at `address` while the block runs; None for nowhere. Raises NetworkError."""
    if address is None:
        yield
        return
    # Imported where it is needed: other verbs would start a quarter of a second later.
    from magnetite.web.files import PATIENCE, files_app
    from magnetite.web.server import serve

    host, port = address
    async with tcp_listener(host, port, FLAG) as listener, background() as nursery:
        nursery.start_soon(serve, files_app(download, host), [listener], PATIENCE)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        await report.result(url, "serving", url=url)
        yield


def _is_address(text: str) -> bool:
    """Whether it is meant as one; whether it is one is said when it is used."""
    return _LOOKS_LIKE_ADDRESS.fullmatch(text) is not None
