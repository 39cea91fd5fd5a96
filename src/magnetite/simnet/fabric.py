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
from magnetite.simnet.links import Link

WINDOW = 256 * 1024  # bytes; a middling receive buffer, 6 MB/s at a round trip of 40 ms


class Fabric:
    """Hosts, the latency between them, the faults on the way and the names that resolve.

    `window` is how many bytes a stream carries ahead of its reader. With `rechunk` a read hands over a random part of
    what is there, to show code that counts on the sender's chunks.
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
    ) -> None:
        self.clock = clock
        self.latency = latency
        self.window = window
        self.rechunk = Random(rng.getrandbits(64)) if rechunk else None
        self.faults = Faults(rng.getrandbits(64))
        self.names: dict[str, list[str]] = {}  # host name -> addresses
        self._hosts: dict[str, Host] = {}
        for rule in faults:
            self.faults.add(rule)

    def host(self, ip: str, link: Link | None = None) -> Host:
        """A new host. Raises ValueError if the address is taken."""
        if ip in self._hosts:
            raise ValueError(f"there is a host at {ip} already")
        host = self._hosts[ip] = Host(self, ip, link or Link())
        return host

    def move(self, host: Host, ip: str) -> None:
        """Give a host another address, as a provider does over night. Its UDP sockets go on under the new one.

        Raises ValueError if that is taken.
        """
        if ip in self._hosts:
            raise ValueError(f"there is a host at {ip} already")
        del self._hosts[host.ip]
        self._hosts[ip] = host
        host.ip = ip

    def find(self, ip: str) -> Host | None:
        """The host at an address, if it is on the network now."""
        host = self._hosts.get(ip)
        return host if host is not None and host.is_reachable else None

    def carry(self, sender: Host, data: bytes, source: Endpoint, to: Endpoint) -> None:
        """Take a datagram from its sender's socket to its destination's, if nothing happens to it."""
        now = self.clock.now
        if sender.uplink.is_full(now):
            return
        arrival = sender.uplink.reserve(now, len(data)) + self.latency(source.ip, to.ip)
        if self.faults:
            match self.faults.judge(Packet(now, source, to, data)):
                case Drop():
                    return
                case Delay(seconds):
                    arrival += seconds
                case Duplicate(seconds):
                    self.clock.at(arrival + seconds, self._arrive, data, source, to)
                case Corrupt(other):
                    data = other
        self.clock.at(arrival, self._arrive, data, source, to)

    def _arrive(self, data: bytes, source: Endpoint, to: Endpoint) -> None:
        """A datagram reached the end of its destination's line."""
        host = self.find(to.ip)
        if host is None or host.downlink.is_full(self.clock.now):
            return
        through = host.downlink.reserve(self.clock.now, len(data))
        if through <= self.clock.now:
            host.deliver(data, source, to)
        else:
            self.clock.at(through, host.deliver, data, source, to)
