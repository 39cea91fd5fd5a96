"""What can be typed behind an option, where click knows no type for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from math import inf, isnan
from typing import Any

import click

from magnetite.dht.node import DEFAULT_ROUTERS
from magnetite.endpoint import Address, split_host_port
from magnetite.errors import LocalProtocolError
from magnetite.net.socks import parse_proxy
from magnetite.swarm.throttle import SLOWEST

SERVE_ON = "127.0.0.1"
SERVE_AT = f"{SERVE_ON}:8080"  # of `--serve` without an address
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Number(click.FloatRange):
    """A number within bounds. That which is none, `nan`, is within all of them, and compares with nothing."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        number = float(super().convert(value, parameter, context))
        if isnan(number):
            self.fail(f"{value!r} is no number", parameter, context)
        return number


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


def ip(context: click.Context, parameter: click.Parameter, text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address") from None


def ips(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[str, ...] | None:
    """None where there are none."""
    return tuple(ip(context, parameter, text) for text in texts) or None


def proxy(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None:
        try:
            parse_proxy(text)
        except LocalProtocolError as error:
            raise click.BadParameter(str(error)) from None
    return text


def optional_address(context: click.Context, parameter: click.Parameter, text: str | None) -> Address | None:
    return None if text is None else addresses(context, parameter, [text])[0]


def serving_address(context: click.Context, parameter: click.Parameter, text: str | None) -> Address | None:
    if text is not None and text.removeprefix(":").isdecimal():
        text = f"{SERVE_ON}:{text.removeprefix(':')}"
    return optional_address(context, parameter, text)


def addresses(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[Address, ...]:
    try:
        return tuple(split_host_port(part) for text in texts for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def routers(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> Sequence[Address]:
    if not texts:
        return DEFAULT_ROUTERS
    return addresses(context, parameter, [text for text in texts if text.lower() != "none"])
