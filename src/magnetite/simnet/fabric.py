"""The virtual network: hosts by address, and what happens to a packet between two of them.

Memory is per host and per socket, never per pair; nothing ticks.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from magnetite.endpoint import Endpoint
from magnetite.simnet.clock import VirtualClock
from magnetite.simnet.faults import Corrupt, Delay, Drop, Duplicate, Faults, Packet, Rule
from magnetite.simnet.host import Host
from magnetite.simnet.latency import Latency, constant
from magnetite.simnet.links import Line, Link
from magnetite.simnet.nat import Nat, NatKind

WINDOW = 256 * 1024  # bytes; a middling receive buffer, 6 MB/s at a round trip of 40 ms


class Fabric:
    """Hosts, the latency between them, the faults on the way and the names that resolve.

    `window` is how many bytes a stream carries ahead of its reader. With `rechunk` a read hands over a random part of
    what is there, to show code that counts on the sender's chunks. With `congestion` streams fill the queues of the
    lines, lose segments there and slow down, as TCP does (see `simnet.segments`); without, they take turns by the
    block, at a third of the cost.
    """

    def __init__(
        self,
        clock: VirtualClock,
        rng: Random,
        latency: Latency = constant(0.02),  # noqa: B008  # a pure function
        faults: Iterable[Rule] = (),
        *,
        window: int = WINDOW,
        rechunk: bool = False,
        congestion: bool = False,
    ) -> None:
        self.clock = clock
        self.latency = latency
        self.window = window
        self.rechunk = Random(rng.getrandbits(64)) if rechunk else None
        self.congestion = congestion
        self._seed = rng.getrandbits(64)
        self.faults = Faults(self._seed)
        self.names: dict[str, list[str]] = {}  # host name -> addresses
        self._hosts: dict[str, Host] = {}  # by public address
        self._nats: dict[str, Nat] = {}
        self._inside: dict[str, Host] = {}  # those behind a router, by their own address
        for rule in faults:
            self.faults.add(rule)

    def host(self, ip: str, link: Link | None = None, *, nat: Nat | NatKind = NatKind.OPEN) -> Host:
        """A new host; behind a router of its own that has the address `ip`, if a kind other than OPEN is given.

        Behind a given router `ip` is the host's own, private address. Raises ValueError if the address is taken.
        """
        if nat is NatKind.OPEN:
            self._check_free(ip)
            host = self._hosts[ip] = Host(self, ip, link or Link())
            return host
        if isinstance(nat, NatKind):
            nat = self.nat(ip, nat)
            ip = ip if nat.kind is NatKind.FIREWALL else self._private_ip()
        if ip in self._inside:
            raise ValueError(f"there is a host at {ip} already")
        host = self._inside[ip] = Host(self, ip, link or Link(), nat)
        return host

    def nat(self, ip: str, kind: NatKind) -> Nat:
        """A router with a public address, for hosts that share it. Raises ValueError if the address is taken."""
        self._check_free(ip)
        nat = self._nats[ip] = Nat(ip, kind, Random(f"{self._seed}/{ip}"))
        return nat

    def move(self, host: Host, ip: str) -> None:
        """Give a host, or its router, another public address, as a provider does over night.

        Its UDP sockets go on under the new one; streams get nothing through any more. Raises ValueError if it is taken.
        """
        self._check_free(ip)
        if host.nat is None:
            del self._hosts[host.ip]
            self._hosts[ip] = host
        else:
            self._nats[ip] = self._nats.pop(host.nat.ip)
            host.nat.rehome(ip)
            if host.nat.kind is not NatKind.FIREWALL:
                return
            self._inside[ip] = self._inside.pop(host.ip)
        host.ip = ip

    def find(self, ip: str) -> Host | None:
        """The host at a public address, if it is on the network now."""
        host = self._hosts.get(ip)
        return host if host is not None and host.is_reachable else None

    def find_listening(self, to: Endpoint, asker: Host) -> tuple[Host, int] | None:
        """The host that an attempt to connect to `to` comes out at, and the port there; None if no way leads in."""
        host = self._hosts.get(to.ip) or self._beside(asker, to.ip)
        port: int | None = to.port
        nat = self._nats.get(to.ip)
        if host is None and nat is not None and nat is not asker.nat:
            inside = nat.inbound_stream(to.port)
            host, port = (self._inside[inside.ip], inside.port) if inside is not None else (None, None)
        return (host, port) if host is not None and port is not None and host.is_reachable else None

    def carry(self, sender: Host, data: bytes, source: Endpoint, to: Endpoint) -> None:
        """Take a datagram from its sender's socket to its destination's, if nothing happens to it."""
        now = self.clock.now
        neighbour = None
        if sender.nat is not None:
            neighbour = self._beside(sender, to[0])
            if neighbour is None:
                if to[0] == sender.nat.ip:
                    return
                source = sender.nat.outbound(source, to, now)
        departure = self._pass(sender.uplink, len(data))
        if departure is None:
            return
        arrival = departure + sender.latency + self.latency(source[0], to[0])
        if self.faults.rules:
            match self.faults.judge(Packet(now, source, to, data)):
                case Drop():
                    return
                case Delay(seconds):
                    arrival += seconds
                case Duplicate(seconds):
                    self.clock.at(arrival + seconds, self._arrive, data, source, to, neighbour)
                case Corrupt(other):
                    data = other
        self.clock.at(arrival, self._arrive, data, source, to, neighbour)

    def _arrive(self, data: bytes, source: Endpoint, to: Endpoint, neighbour: Host | None) -> None:
        """A datagram reached the end of its destination's line."""
        host, port = neighbour or self._hosts.get(to[0]), to[1]
        if host is None:
            nat = self._nats.get(to[0])
            inside = nat.inbound(source, port, self.clock.now) if nat is not None else None
            if inside is None:
                return
            host, port = self._inside[inside.ip], inside.port
        if not host.is_reachable:
            return
        through = self._pass(host.downlink, len(data))
        if through is None:
            return
        if through + host.latency <= self.clock.now:
            host.deliver(data, source, port)
        else:
            self.clock.at(through + host.latency, host.deliver, data, source, port)

    def _pass(self, line: Line, length: int) -> float | None:
        """The instant a datagram is through a line; None if it is lost there."""
        if line.rate is None:
            return self.clock.now
        return (line.admit if self.congestion else line.slip_in)(self.clock.now, length)

    def _beside(self, host: Host, ip: str) -> Host | None:
        """The host at a private address behind the same router."""
        other = self._inside.get(ip)
        is_beside = other is not None and other.nat is host.nat and other.ip != other.public_ip
        return other if is_beside else None

    def _check_free(self, ip: str) -> None:
        if ip in self._hosts or ip in self._nats:
            raise ValueError(f"there is a host at {ip} already")

    def _private_ip(self) -> str:
        """One that no other host has, though it might: so that a trace can be read."""
        number = len(self._inside) + 1
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
