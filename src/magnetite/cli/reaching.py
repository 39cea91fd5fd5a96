"""Options of the verbs that are there for others: how these find us."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Any

import click

from magnetite.cli.networking import Networking
from magnetite.cli.options import Command
from magnetite.net.portmap.mapping import PortMapping


def port_mapping_option(command: Command) -> Command:
    """Within `dht_options`, whose `networking` then says so."""

    @click.option(
        "--port-mapping",
        type=click.Choice([method.value for method in PortMapping]),
        default=PortMapping.AUTO.value,
        show_default=True,
        help="How to ask the router to let others reach us.",
    )
    @wraps(command)
    def wrapped(*args: Any, networking: Networking, port_mapping: str, **options: Any) -> None:
        command(*args, networking=replace(networking, port_mapping=PortMapping(port_mapping)), **options)

    return wrapped


def reach_options(command: Command) -> Command:
    """Within `swarm_options`, whose `networking` then says so."""

    @port_mapping_option
    @click.option("--no-lsd", "lsd", flag_value=False, default=True, help="Do without peers in the local network.")
    @click.option("--no-utp", "utp", flag_value=False, default=True, help="Do without uTP: TCP alone.")
    @wraps(command)
    def wrapped(*args: Any, networking: Networking, lsd: bool, utp: bool, **options: Any) -> None:
        command(*args, networking=replace(networking, lsd=lsd, utp=utp), **options)

    return wrapped
