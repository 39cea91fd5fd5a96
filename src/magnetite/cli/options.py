"""Options that several verbs share, each set of them as one decorator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeAlias

import click
from platformdirs import user_state_path

from magnetite.cli import values
from magnetite.cli.networking import Networking, NodeSettings
from magnetite.cli.run import run
from magnetite.cli.values import SERVE_AT, Number, Rate
from magnetite.dht.limiter import AnswerLimits
from magnetite.dht.node import MAX_QUERY_RATE
from magnetite.dht.send_budget import QUERY_RATE
from magnetite.swarm.throttle import Limits
from magnetite.wire.mse.policy import Encryption

Command: TypeAlias = Callable[..., None]

CONTROL_SOCKET = "control.sock"  # in the state folder, where a running node takes orders
READ_ONLY = {"auto": None, "yes": True, "no": False}
NETWORKING = ("port", "bind", "interface", "proxy", "bootstrap", "state", "dht", "peers", "encryption")


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

    @click.option(
        "--bind",
        multiple=True,
        callback=values.ips,
        metavar="IP",
        help="Address to listen on and to send from, and no other; may be repeated, IPv6 too.  [default: all]",
    )
    @click.option("--interface", metavar="NAME", help="Network interface to use, and no other.  [default: any]")
    @click.option(
        "--proxy",
        callback=values.proxy,
        metavar="URL",
        help="SOCKS proxy to send everything through, socks5://[user:password@]host:port.  [default: none]",
    )
    @click.option(
        "--port", type=click.IntRange(0, 65535), metavar="PORT", help="Port to listen on; 0 for any free one."
    )
    @click.option(
        "--bootstrap",
        multiple=True,
        callback=values.routers,
        metavar="HOST:PORT[,...]",
        help="Nodes to join the DHT by, or 'none'; may be repeated.  [default: the well-known ones]",
    )
    @state_option
    @wraps(command)
    def wrapped(*args: Any, **options: Any) -> None:
        networking = Networking(**{name: options.pop(name) for name in NETWORKING if name in options})
        command(*args, networking=networking, **options)

    return wrapped


def state_option(command: Command) -> Command:
    """`--state`; the command gets `state`, a folder."""
    return click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: user_state_path("magnetite"),
        metavar="DIR",
        help="Folder for what outlives the program.  [default: the user's state folder]",
    )(command)


def control_option(command: Command) -> Command:
    """`--control`; the command gets `control`, a path, or None for the one in the state folder."""
    return click.option(
        "--control",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="SOCKET",
        help=f"Unix socket on which a node takes orders.  [default: {CONTROL_SOCKET} in the state folder]",
    )(command)


def node_options(command: Command) -> Command:
    """What a node needs that runs for long; the command gets `networking` and `settings`."""

    @dht_options
    @click.option(
        "--read-only",
        type=click.Choice(list(READ_ONLY)),
        default="auto",
        show_default=True,
        help="Answer nobody, and ask not to be remembered; 'auto' does so until strangers are seen to reach us.",
    )
    @click.option(
        "--query-rate",
        type=Number(0, int(MAX_QUERY_RATE), min_open=True),
        default=int(QUERY_RATE),
        show_default=True,
        metavar="N",
        help="Queries a second to send at most.",
    )
    @click.option(
        "--answer-budget",
        type=click.IntRange(1),
        default=int(AnswerLimits().byte_rate),
        show_default=True,
        metavar="N",
        help="Bytes a second to answer others with at most.",
    )
    @click.option(
        "--blocklist",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Addresses to have nothing to do with, one network or range a line; SIGHUP reads it again.",
    )
    @click.option(
        "--metrics",
        callback=values.optional_address,
        metavar="HOST:PORT",
        help="Where Prometheus may read metrics.  [default: nowhere]",
    )
    @control_option
    @wraps(command)
    def wrapped(*args: Any, read_only: str, **options: Any) -> None:
        names = ("query_rate", "answer_budget", "blocklist", "metrics", "control")
        settings = NodeSettings(READ_ONLY[read_only], **{name: options.pop(name) for name in names})
        command(*args, settings=settings, **options)

    return wrapped


def swarm_options(command: Command) -> Command:
    """`dht_options`, and peers besides those that the DHT names; the command gets `networking`."""
    peers = click.option(
        "--peer",
        "peers",
        multiple=True,
        callback=values.addresses,
        metavar="HOST:PORT",
        help="A peer to connect to besides those the DHT names; may be repeated.",
    )
    no_dht = click.option("--no-dht", "dht", flag_value=False, default=True, help="Do without the DHT.")
    encryption = click.option(
        "--encryption",
        type=click.Choice([policy.value for policy in Encryption]),
        default=Encryption.ALLOW.value,
        show_default=True,
        callback=lambda context, parameter, text: Encryption(text),
        help="Of connections with peers: never, if they want it, first of all, or nothing else.",
    )
    return peers(no_dht(encryption(dht_options(command))))


def folder_option(use: str) -> Callable[[Command], Command]:
    """`--dir`, where content is; the command gets `folder`."""
    return click.option(
        "--dir",
        "folder",
        type=click.Path(path_type=Path),
        default=".",
        metavar="DIR",
        help=f"{use}  [default: the current one]",
    )


def serve_option(command: Command) -> Command:
    """`--serve`; the command gets `serve`, and is a ServingCommand, so that the address may be left out."""
    return click.option(
        "--serve",
        callback=values.serving_address,
        metavar="[HOST:][PORT]",
        help=f"Serve the files over HTTP while they download, for a player, until Ctrl-C.  [address: {SERVE_AT}]",
    )(command)


def limit_options(command: Command) -> Command:
    """How fast, and with how many peers; within `swarm_options`, whose `networking` then says so."""

    @click.option("--max-download", type=Rate(), metavar="RATE", help="Receive no faster: bytes/s, as 500k or 2M.")
    @click.option("--max-upload", type=Rate(), metavar="RATE", help="Send no faster: bytes/s, as 500k or 2M.")
    @click.option("--max-peers", type=click.IntRange(1), metavar="N", help="Have no more connections than that.")
    @wraps(command)
    def wrapped(
        *args: Any,
        networking: Networking,
        max_download: float | None,
        max_upload: float | None,
        max_peers: int | None,
        **options: Any,
    ) -> None:
        limited = replace(networking, limits=Limits(max_download, max_upload), max_peers=max_peers)
        command(*args, networking=limited, **options)

    return wrapped
