"""Address translation, as home routers do it and as it keeps strangers out (RFC 4787, 5382). Pure.

A mapping gives an inside endpoint a public one; a filter says who may write to that. Both are forgotten when nothing
was sent for a while. Left out: hairpinning, which few routers do, so that nobody reaches a router's public address from
behind it; and mappings of TCP connections, which live as long as the stream.
"""

from __future__ import annotations

import random
from enum import Enum, auto
from typing import Final, TypeAlias

from magnetite.endpoint import Endpoint

MAPPING_TIMEOUT: Final = 60.0  # seconds after the last datagram out; RFC 4787 wants 120, many home routers do 30 to 180
MAX_MAPPINGS: Final = 4_096  # and filters of each; a home router has a few thousand rows
_PORTS: Final = range(1024, 1 << 16)


class NatKind(Enum):
    """What may come in, to an endpoint that something was sent from (the names are those of RFC 3489)."""

    OPEN = auto()  # everything, and without that: there is no router, or every port is forwarded
    FULL_CONE = auto()  # from everybody
    RESTRICTED = auto()  # from addresses that were sent to
    PORT_RESTRICTED = auto()  # from endpoints that were sent to
    SYMMETRIC = auto()  # the same, and everybody who is sent to sees another port
    FIREWALL = auto()  # from endpoints that were sent to; the address is public, and nothing is translated


MIX: Final = {
    NatKind.OPEN: 0.333,
    NatKind.FULL_CONE: 0.027,
    NatKind.RESTRICTED: 0.221,
    NatKind.PORT_RESTRICTED: 0.157,
    NatKind.SYMMETRIC: 0.156,
    NatKind.FIREWALL: 0.106,
}
"""Shares of peers, after a survey of 3.6 million: a third open, 31.3 % port-restricted or symmetric, 10.6 % behind a
firewall, 2.7 % full-cone. It halves nothing: that port-restricted and symmetric are equally many, and that the rest is
restricted, is assumed."""


def draw_kind(rng: random.Random) -> NatKind:
    """A kind by its share in MIX."""
    return rng.choices(list(MIX), list(MIX.values()))[0]


_Key: TypeAlias = Endpoint | tuple[Endpoint, Endpoint]


class _Mapping:
    """A public port that stands for an inside endpoint, and when who was sent to from it; the latest at the end."""

    __slots__ = ("inside", "key", "port", "sent_at", "sent_to")

    def __init__(self, key: _Key, inside: Endpoint, port: int) -> None:
        self.key = key
        self.inside = inside
        self.port = port
        self.sent_at = 0.0
        self.sent_to: dict[str | Endpoint, float] = {}


class Nat:
    """A router with one public address. Endpoints are written (inside) for those behind it.

    Invariant: `_by_key` and `_by_port` hold the same mappings, at most MAX_MAPPINGS, those used last at the end.
    """

    def __init__(self, ip: str, kind: NatKind, rng: random.Random, timeout: float = MAPPING_TIMEOUT) -> None:
        self.ip = ip
        self.kind = kind
        self.timeout = timeout  # seconds
        self._rng = rng
        self._by_key: dict[_Key, _Mapping] = {}
        self._by_port: dict[int, _Mapping] = {}
        self._forwards: dict[int, Endpoint] = {}  # public port -> inside

    def __len__(self) -> int:
        """Mappings remembered, some perhaps out of date."""
        return len(self._by_key)

    def forward(self, port: int, inside: Endpoint) -> None:
        """Let everybody in at a public port, UDP and TCP, as a router does that was asked to by hand or by UPnP."""
        self._forwards[port] = inside

    def rehome(self, ip: str) -> None:
        """The provider gives another address: mappings are gone, forwarded ports stay."""
        self.ip = ip
        self._by_key.clear()
        self._by_port.clear()

    def outbound(self, inside: Endpoint, to: Endpoint, now: float) -> Endpoint:
        """The public endpoint that a datagram from `inside` to `to` is seen to come from; answers may come in."""
        if inside in self._forwards.values():
            return Endpoint(self.ip, next(port for port, each in self._forwards.items() if each == inside))
        mapping = self._mapping(inside, to, now)
        mapping.sent_at = now
        remote = to.ip if self.kind is NatKind.RESTRICTED else to
        mapping.sent_to.pop(remote, None)
        mapping.sent_to[remote] = now
        if len(mapping.sent_to) > MAX_MAPPINGS:
            del mapping.sent_to[next(iter(mapping.sent_to))]
        return Endpoint(self.ip, mapping.port)

    def inbound(self, source: Endpoint, port: int, now: float) -> Endpoint | None:
        """Where inside a datagram from `source` to the public `port` goes; None if it is kept out."""
        if port in self._forwards:
            return self._forwards[port]
        mapping = self._by_port.get(port)
        if mapping is None or not self._is_fresh(mapping.sent_at, now):
            return None
        if self.kind is NatKind.FULL_CONE or self.kind is NatKind.OPEN:
            return mapping.inside
        sent_at = mapping.sent_to.get(source.ip if self.kind is NatKind.RESTRICTED else source)
        return mapping.inside if sent_at is not None and self._is_fresh(sent_at, now) else None

    def inbound_stream(self, port: int) -> Endpoint | None:
        """Where inside a stranger's connection to the public `port` goes: only where that is forwarded."""
        return self._forwards.get(port)

    def outbound_stream(self, inside: Endpoint) -> Endpoint:
        """The public endpoint that a connection from `inside` is seen to come from."""
        is_kept = self.kind is not NatKind.SYMMETRIC
        return Endpoint(self.ip, inside.port if is_kept else self._rng.choice(_PORTS))

    def _mapping(self, inside: Endpoint, to: Endpoint, now: float) -> _Mapping:
        key = (inside, to) if self.kind is NatKind.SYMMETRIC else inside
        mapping = self._by_key.pop(key, None)
        if mapping is not None and not self._is_fresh(mapping.sent_at, now):
            del self._by_port[mapping.port]
            mapping = None
        if mapping is None:
            self._make_room(now)
            mapping = _Mapping(key, inside, self._free_port(inside.port))
            self._by_port[mapping.port] = mapping
        self._by_key[key] = mapping
        return mapping

    def _make_room(self, now: float) -> None:
        """Forget what is out of date, and one more if there are too many."""
        while self._by_key:
            oldest = next(iter(self._by_key.values()))
            if self._is_fresh(oldest.sent_at, now) and len(self._by_key) < MAX_MAPPINGS:
                return
            del self._by_key[oldest.key]
            del self._by_port[oldest.port]

    def _free_port(self, wanted: int) -> int:
        """The inside port itself, as most routers try to (RFC 4787, port preservation); symmetric ones draw any."""
        port = self._rng.choice(_PORTS) if self.kind is NatKind.SYMMETRIC else wanted
        while port in self._by_port or port in self._forwards:
            port = self._rng.choice(_PORTS)
        return port

    def _is_fresh(self, sent_at: float, now: float) -> bool:
        return now - sent_at <= self.timeout
