"""The network interfaces of this machine, and where a socket that is tied to one belongs now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import ifaddr

from magnetite.endpoint import Scope, scope_of
from magnetite.net.ports import ANYWHERE
from magnetite.net.sockets import Tie, can_tie


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface as it is now. One that comes back after it was removed has another `index`."""

    name: str
    index: int
    ips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mooring:
    """How a socket is to be opened: at this address of the interface `index`, and tied to it, if the system can."""

    ip: str
    tie: Tie | None
    index: int


class ToInterface:
    """Whatever is sent leaves by the interface of this name."""

    def __init__(self, name: str, can_tie: bool) -> None:
        self._interface = name
        self._can_tie = can_tie

    def name(self, ip: str) -> str:
        """What a socket of the local address `ip` cannot do without."""
        return f"interface {self._interface}"

    def moor(self, ip: str, interfaces: Sequence[Interface]) -> Mooring | None:
        """Where a socket of the local address `ip` belongs; None while the interface is away. Pure.

        Where sockets cannot be tied to interfaces, one of no address in particular gets one of the interface's.
        """
        for each in interfaces:
            if each.name == self._interface and (ip in ANYWHERE or ip in each.ips):
                if self._can_tie:
                    return Mooring(ip, Tie(each.name, each.index), each.index)
                own = _address_like(ip, each.ips)
                return None if own is None else Mooring(own, None, each.index)
        return None


class ToAddresses:
    """Whatever is sent leaves by the interface that has the address it is sent from."""

    def __init__(self, can_tie: bool) -> None:
        self._can_tie = can_tie

    def name(self, ip: str) -> str:
        """What a socket of the local address `ip` cannot do without."""
        return f"address {ip}"

    def moor(self, ip: str, interfaces: Sequence[Interface]) -> Mooring | None:
        """Where a socket of the local address `ip` belongs; None while no interface has it. Pure."""
        if leads_nowhere_else(ip):
            return Mooring(ip, None, 0)
        for each in interfaces:
            if ip in each.ips:
                tie = Tie(each.name, each.index, is_open=True) if self._can_tie else None
                return Mooring(ip, tie, each.index)
        return None


def leads_nowhere_else(ip: str) -> bool:
    """Whether what is sent from `ip` needs no tie: any interface will do, or the system lets it leave by none."""
    return ip in ANYWHERE or scope_of(ip) is Scope.LOOPBACK


def _address_like(ip: str, own: Sequence[str]) -> str | None:
    """`ip`, or an address of ours of its family where it names none: not one that is valid on the link alone."""
    if ip not in ANYWHERE:
        return ip
    family = [each for each in own if (":" in each) is (":" in ip)]
    return next((each for each in family if scope_of(each) is not Scope.LINK), None)


def interfaces() -> list[Interface]:
    """What this machine has now, those without an address included."""
    return [
        Interface(
            adapter.name,
            adapter.index or 0,
            tuple(ip.ip if isinstance(ip.ip, str) else ip.ip[0].partition("%")[0] for ip in adapter.ips),
        )
        for adapter in ifaddr.get_adapters(include_unconfigured=True)
    ]


Tether: TypeAlias = ToInterface | ToAddresses


def tether_to(interface: str | None) -> Tether:
    """To an interface, or else to the addresses that sockets are bound to."""
    if interface is not None:
        return ToInterface(interface, can_tie())
    return ToAddresses(can_tie())
