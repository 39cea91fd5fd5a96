"""One direction between two sockets: the sender's line, the way, and the receiver's line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnetite.endpoint import Endpoint
from magnetite.simnet.faults import Delay, Drop, Packet

if TYPE_CHECKING:
    from magnetite.simnet.fabric import Fabric
    from magnetite.simnet.host import Host


class Path:
    """What a segment of a stream meets between `source` and `to`, in three steps."""

    def __init__(self, fabric: Fabric, sender: Host, receiver: Host, source: Endpoint, to: Endpoint) -> None:
        self.clock = fabric.clock
        self.source = source
        self.to = to
        self._fabric = fabric
        self.sender = sender
        self._receiver = receiver

    @property
    def latency(self) -> float:
        return self._fabric.latency(self.source.ip, self.to.ip)

    def departure(self, length: int) -> float:
        """The instant `length` bytes are through the sender's line, behind what waits there."""
        return self.sender.uplink.reserve(self.clock.now, length)

    def arrival(self, data: memoryview) -> float | None:
        """The instant a segment that departs now reaches the receiver's line; None if it is lost on the way."""
        if not (self.sender.is_reachable and self._receiver.is_reachable):
            return None
        at = self.clock.now + self.latency
        if self._fabric.faults:
            match self._fabric.faults.judge(Packet(self.clock.now, self.source, self.to, data, is_segment=True)):
                case Drop():
                    return None
                case Delay(seconds):
                    at += seconds
        return at

    def delivery(self, length: int) -> float:
        """The instant `length` bytes that arrive now are through the receiver's line."""
        return self._receiver.downlink.reserve(self.clock.now, length)
