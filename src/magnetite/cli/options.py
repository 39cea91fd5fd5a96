"""Options that several verbs share, each set of them as one decorator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial, wraps
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

import click
from platformdirs import user_state_path

from magnetite.cli.run import run
from magnetite.client import ANYWHERE, DIAL_RATE, Address, Client, open_client, open_dht_node
from magnetite.dht.node import DEFAULT_ROUTERS, QUERY_RATE, DhtNode
from magnetite.endpoint import split_host_port
from magnetite.hub import Observer
from magnetite.swarm.places import Places

Command: TypeAlias = Callable[..., None]

DHT_STATE = "dht.state"  # the file in the state folder where client and node keep the DHT's contacts


@dataclass(frozen=True, slots=True)
class Networking:
    """How to be reached and how to find others. `state` is the folder of what outlives the process."""

    port: int | None = None
    bind: str = ANYWHERE
    bootstrap: Sequence[Address] = DEFAULT_ROUTERS
    state: Path | None = None
    dht: bool = True
    peers: tuple[Address, ...] = ()

    def open_client(
        self,
        observe: Observer,
        *,
        places: Places | None = None,
        dial_rate: float = DIAL_RATE,
        query_rate: float = QUERY_RATE,
    ) -> AbstractAsyncContextManager[Client]:
        return open_client(
            port=self.port,
            bind=self.bind,
            bootstrap=self.bootstrap,
            dht=self.dht,
            state=self.state,
            observe=observe,
            places=places,
            dial_rate=dial_rate,
            query_rate=query_rate,
        )

    def open_node(self, observe: Observer, default_port: int) -> AbstractAsyncContextManager[DhtNode]:
        return open_dht_node(
            port=default_port if self.port is None else self.port,
            bind=self.bind,
            bootstrap=self.bootstrap,
            state=self.state / DHT_STATE if self.state else None,
            observe=observe,
        )


def report_options(command: Command) -> Command:
    """`--json` and `--verbose`; the command gets `run`, which takes the verb."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output, for scripts.")
    @click.option("-v", "--verbose", count=True, help="Log decisions to standard error; -vv logs more of them.")
    @wraps(command)
    def wrapped(*args: Any, as_json: bool, verbose: int, **options: Any) -> None:
        command(*args, run=partial(run, as_json=as_json, verbosity=verbose), **options)

    return wrapped


def dht_options(command: Command) -> Command:
    """What a DHT node needs; the command gets `networking`."""

    @click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 for any free one.")
    @click.option("--bind", default=ANYWHERE, callback=_ip, metavar="IP", help="Address to listen on.")
    @click.option(
        "--bootstrap",
        multiple=True,
        callback=_routers,
        metavar="HOST:PORT[,...]",
        help="Nodes to join the DHT by, or 'none'; may be repeated.  [default: the well-known ones]",
    )
    @click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: user_state_path("magnetite"),
        metavar="DIR",
        help="Folder for what outlives the program.  [default: the user's state folder]",
    )
    @wraps(command)
    def wrapped(
        *args: Any, port: int | None, bind: str, bootstrap: Sequence[Address], state: Path, **options: Any
    ) -> None:
        networking = Networking(
            port=port,
            bind=bind,
            bootstrap=bootstrap,
            state=state,
            dht=options.pop("dht", True),  # these two only where `swarm_options` asks for them
            peers=options.pop("peers", ()),
        )
        command(*args, networking=networking, **options)

    return wrapped


def swarm_options(command: Command) -> Command:
    """`dht_options`, and peers besides those that the DHT names; the command gets `networking`."""
    peers = click.option(
        "--peer",
        "peers",
        multiple=True,
        callback=_addresses,
        metavar="HOST:PORT",
        help="A peer to connect to besides those the DHT names; may be repeated.",
    )
    no_dht = click.option("--no-dht", "dht", flag_value=False, default=True, help="Do without the DHT.")
    return peers(no_dht(dht_options(command)))


def _ip(context: click.Context, parameter: click.Parameter, text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address") from None


def _addresses(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[Address, ...]:
    try:
        return tuple(split_host_port(part) for text in texts for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _routers(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> Sequence[Address]:
    if not texts:
        return DEFAULT_ROUTERS
    return _addresses(context, parameter, [text for text in texts if text.lower() != "none"])
