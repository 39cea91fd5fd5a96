"""Addresses that stand for host names, where it is not us who looks the names up. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from magnetite.endpoint import Endpoint

FIRST4: Final = int(IPv4Address("0.0.0.1"))  # of 0.0.0.0/8, and below of ::/8: nobody has such an address
FIRST6: Final = int(IPv6Address("0:1::1"))
MOST: Final = 1000  # names; a torrent may come with many


class StandIns:
    """Invariant: an address stands for one name, and for no other later; of the names the last MOST are known."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: dict[str, str] = {}  # by address
        self._made = 0

    def endpoints(self, name: str, port: int) -> list[Endpoint]:
        """What stands for a name: an address of each family, since it may have either."""
        number = self._numbers.pop(name, None)
        if number is None:
            number = self._made
            self._made += 1
        self._numbers[name] = number
        for address in _addresses(number):
            self._names[address] = name
        if len(self._numbers) > MOST:
            oldest = next(iter(self._numbers))
            for address in _addresses(self._numbers.pop(oldest)):
                del self._names[address]
        return [Endpoint(address, port) for address in _addresses(number)]

    def destination(self, endpoint: Endpoint) -> Endpoint | tuple[str, int]:
        """The name that the endpoint stands for, with its port; or the endpoint."""
        name = self._names.get(endpoint.ip)
        return endpoint if name is None else (name, endpoint.port)


def _addresses(number: int) -> tuple[str, str]:
    return str(IPv4Address(FIRST4 + number)), str(IPv6Address(FIRST6 + number))
