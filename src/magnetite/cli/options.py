"""Options that several verbs share, each set of them as one decorator."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial, wraps
from ipaddress import ip_address
from math import inf
from pathlib import Path
from typing import Any, TypeAlias

import click
from platformdirs import user_state_path

from magnetite.cli.run import run
from magnetite.client import Address, Client
from magnetite.dht.blocklist import Blocklist
from magnetite.dht.limiter import AnswerLimits
from magnetite.dht.node import DEFAULT_ROUTERS, MAX_QUERY_RATE, DhtNode
from magnetite.dht.send_budget import ADDRESS_RATE, QUERY_RATE
from magnetite.endpoint import split_host_port
from magnetite.errors import LocalProtocolError
from magnetite.hub import Observer
from magnetite.net.portmap.mapping import PortMapping
from magnetite.net.socks import parse_proxy
from magnetite.opening import DHT_STATE, DIAL_RATE, PROXIED_DHT_STATE, open_client, open_dht_node
from magnetite.swarm.places import Places
from magnetite.swarm.throttle import SLOWEST, Limits
from magnetite.wire.mse.policy import Encryption

Command: TypeAlias = Callable[..., None]

CONTROL_SOCKET = "control.sock"  # in the state folder, where a running node takes orders
NODE_PORT = 6881
SERVE_ON = "127.0.0.1"
SERVE_AT = f"{SERVE_ON}:8080"  # of `--serve` without an address
READ_ONLY = {"auto": None, "yes": True, "no": False}
NO_LIMITS = Limits()
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True, slots=True)
class Networking:
    """How to be reached and how to find others. `state` is the folder of what outlives the process."""

    port: int | None = None
    bind: tuple[str, ...] | None = None  # None for all addresses of this machine
    interface: str | None = None
    proxy: str | None = None
    bootstrap: Sequence[Address] = DEFAULT_ROUTERS
    state: Path | None = None
    dht: bool = True
    peers: tuple[Address, ...] = ()
    encryption: Encryption = Encryption.ALLOW
    limits: Limits = NO_LIMITS
    port_mapping: PortMapping = PortMapping.OFF
    lsd: bool = False
    utp: bool = True
    max_peers: int | None = None  # connections, in all and of each torrent; None for the usual number

    @property
    def dht_state(self) -> Path | None:
        """The file that a node remembers itself in."""
        return self.state / (DHT_STATE if self.proxy is None else PROXIED_DHT_STATE) if self.state else None

    def open_client(
        self,
        observe: Observer,
        *,
        places: Places | None = None,
        dial_rate: float = DIAL_RATE,
        query_rate: float = QUERY_RATE,
        address_rate: float = ADDRESS_RATE,
    ) -> AbstractAsyncContextManager[Client]:
        return open_client(
            port=self.port,
            bind=self.bind,
            interface=self.interface,
            proxy=self.proxy,
            bootstrap=self.bootstrap,
            dht=self.dht,
            state=self.state,
            observe=observe,
            places=Places(self.max_peers, self.max_peers) if places is None and self.max_peers else places,
            limits=self.limits,
            encryption=self.encryption,
            port_mapping=self.port_mapping,
            lsd=self.lsd,
            utp=self.utp,
            dial_rate=dial_rate,
            query_rate=query_rate,
            address_rate=address_rate,
        )

    def open_node(
        self, observe: Observer, default_port: int, read_only: bool | None = None
    ) -> AbstractAsyncContextManager[DhtNode]:
        return open_dht_node(
            port=default_port if self.port is None else self.port,
            bind=self.bind,
            interface=self.interface,
            proxy=self.proxy,
            bootstrap=self.bootstrap,
            state=self.dht_state,
            observe=observe,
            read_only=read_only,
        )


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node that runs for long is bound, limited and watched."""

    read_only: bool | None  # None: until it is known to be reachable
    query_rate: float
    answer_budget: int  # bytes/s
    blocklist: Path | None
    metrics: Address | None
    control: Path | None

    def open_node(
        self, networking: Networking, observe: Observer, blocklist: Blocklist
    ) -> AbstractAsyncContextManager[DhtNode]:
        return open_dht_node(
            port=NODE_PORT if networking.port is None else networking.port,
            bind=networking.bind,
            interface=networking.interface,
            proxy=networking.proxy,
            bootstrap=networking.bootstrap,
            state=networking.dht_state,
            observe=observe,
            read_only=self.read_only,
            query_rate=self.query_rate,
            limits=AnswerLimits(byte_rate=self.answer_budget),
            blocklist=blocklist,
            port_mapping=networking.port_mapping,
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

    @click.option(
        "--bind",
        multiple=True,
        callback=_ips,
        metavar="IP",
        help="Address to listen on and to send from, and no other; may be repeated, IPv6 too.  [default: all]",
    )
    @click.option("--interface", metavar="NAME", help="Network interface to use, and no other.  [default: any]")
    @click.option(
        "--proxy",
        callback=_proxy,
        metavar="URL",
        help="SOCKS proxy to send everything through, socks5://[user:password@]host:port.  [default: none]",
    )
    @click.option(
        "--port", type=click.IntRange(0, 65535), metavar="PORT", help="Port to listen on; 0 for any free one."
    )
    @click.option(
        "--bootstrap",
        multiple=True,
        callback=_routers,
        metavar="HOST:PORT[,...]",
        help="Nodes to join the DHT by, or 'none'; may be repeated.  [default: the well-known ones]",
    )
    @state_option
    @wraps(command)
    def wrapped(
        *args: Any,
        port: int | None,
        bind: tuple[str, ...],
        interface: str | None,
        proxy: str | None,
        bootstrap: Sequence[Address],
        state: Path,
        **options: Any,
    ) -> None:
        networking = Networking(
            port=port,
            bind=bind or None,
            interface=interface,
            proxy=proxy,
            bootstrap=bootstrap,
            state=state,  # these two only where somebody asks for them
            dht=options.pop("dht", True),
            peers=options.pop("peers", ()),
            encryption=Encryption(options.pop("encryption", Encryption.ALLOW)),
        )
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
        type=click.FloatRange(0, int(MAX_QUERY_RATE), min_open=True),
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
        callback=_optional_address,
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
        callback=_addresses,
        metavar="HOST:PORT",
        help="A peer to connect to besides those the DHT names; may be repeated.",
    )
    no_dht = click.option("--no-dht", "dht", flag_value=False, default=True, help="Do without the DHT.")
    encryption = click.option(
        "--encryption",
        type=click.Choice([policy.value for policy in Encryption]),
        default=Encryption.ALLOW.value,
        show_default=True,
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
        callback=_serving_address,
        metavar="[HOST:][PORT]",
        help=f"Serve the files over HTTP while they download, for a player, until Ctrl-C.  [address: {SERVE_AT}]",
    )(command)


class Rate(click.ParamType[float]):
    """Bytes/s with a unit, such as `500k` or `2M`, the units of 1024."""

    name = "rate"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmg]?)(?:i?b)?(?:/s)?", str(value).strip(), re.I | re.A)
        if match is None:
            self.fail(f"{value!r} is no rate; write bytes a second, such as 500k or 2M", parameter, context)
        rate = float(match[1]) * UNITS[match[2].lower()]
        if not SLOWEST <= rate < inf:
            self.fail(f"{value!r}: slower than 1k is too slow for any peer to wait for", parameter, context)
        return rate


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


def _ip(context: click.Context, parameter: click.Parameter, text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address") from None


def _ips(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(_ip(context, parameter, text) for text in texts)


def _proxy(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None:
        try:
            parse_proxy(text)
        except LocalProtocolError as error:
            raise click.BadParameter(str(error)) from None
    return text


def _optional_address(context: click.Context, parameter: click.Parameter, text: str | None) -> Address | None:
    return None if text is None else _addresses(context, parameter, [text])[0]


def _serving_address(context: click.Context, parameter: click.Parameter, text: str | None) -> Address | None:
    if text is not None and text.removeprefix(":").isdecimal():
        text = f"{SERVE_ON}:{text.removeprefix(':')}"
    return _optional_address(context, parameter, text)


def _addresses(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[Address, ...]:
    try:
        return tuple(split_host_port(part) for text in texts for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _routers(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> Sequence[Address]:
    if not texts:
        return DEFAULT_ROUTERS
    return _addresses(context, parameter, [text for text in texts if text.lower() != "none"])
