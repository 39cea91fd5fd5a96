"""Public addresses for hosts, each in a /24 where nobody else is. Pure: chance comes in."""

from __future__ import annotations

from random import Random

from magnetite.endpoint import Scope, scope_of


class Addresses:
    """Never gives one twice."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._subnets: set[str] = set()

    def new(self) -> str:
        while True:
            subnet = f"{self._rng.randrange(1, 224)}.{self._rng.randrange(256)}.{self._rng.randrange(256)}"
            ip = f"{subnet}.{self._rng.randrange(1, 255)}"
            if subnet not in self._subnets and scope_of(ip) is Scope.GLOBAL:
                self._subnets.add(subnet)
                return ip
